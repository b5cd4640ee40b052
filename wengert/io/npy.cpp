#include "wengert/io/npy.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>

#include "wengert/io/file.hpp"
#include "wengert/ops/operand.hpp"

namespace wengert::io {
namespace {

using detail::Source;

static_assert(std::endian::native == std::endian::little, "the elements are written as they lie in memory");

constexpr std::string_view magic = "\x93NUMPY";
constexpr int64_t longest_header = 1 << 16;

/// What a header says.
struct Header {
  Dtype dtype = Dtype::float32;
  bool swapped = false;  // big-endian
  bool fortran = false;
  Shape shape;
};

/// Reads the header's text: a Python dictionary of a string, a truth value and a tuple of numbers.
class HeaderParser {
 public:
  HeaderParser(const Source& source, std::string_view text) : source_(source), text_(text) {}

  Header parse() {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string();
      expect(':');
      if (key == "descr") once(descr_, [&] { return string(); });
      else if (key == "fortran_order") once(fortran_, [&] { return truth(); });
      else if (key == "shape") once(shape_, [&] { return tuple(); });
      else corrupt();
      if (accept('}')) break;
      expect(',');
    }
    skip_space();
    if (!text_.empty() || !descr_ || !fortran_ || !shape_) corrupt();
    Header header{.fortran = *fortran_, .shape = *shape_};
    set_dtype(header, *descr_);
    return header;
  }

 private:
  [[noreturn]] void corrupt() const {
    source_.fail("npy-header", "its header is corrupt",
                 "a dictionary of descr, fortran_order and shape; fetch the file again");
  }
  template <class T, class F>
  void once(std::optional<T>& value, F read) {
    if (value) corrupt();
    value = read();
  }
  void skip_space() {
    const size_t space = text_.find_first_not_of(" \n");
    text_.remove_prefix(std::min(space, text_.size()));
  }
  bool accept(char c) {
    skip_space();
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) corrupt();
  }
  bool accept_word(std::string_view word) {
    skip_space();
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }
  std::string_view string() {
    skip_space();
    if (text_.empty() || (text_.front() != '\'' && text_.front() != '"')) {
      if (accept('[')) fail_dtype("a structure");
      corrupt();
    }
    const size_t end = text_.find(text_.front(), 1);
    if (end == text_.npos) corrupt();
    const std::string_view value = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return value;
  }
  bool truth() {
    if (accept_word("True")) return true;
    if (!accept_word("False")) corrupt();
    return false;
  }
  int64_t number() {
    skip_space();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    if (error != std::errc() || value < 0) corrupt();
    text_.remove_prefix(static_cast<size_t>(end - text_.data()));
    accept('L');  // as Python 2 wrote them
    return value;
  }
  Shape tuple() {
    std::vector<int64_t> lengths;
    expect('(');
    while (!accept(')')) {
      lengths.push_back(number());
      if (accept(')')) {
        if (lengths.size() == 1) corrupt();  // (3) is no tuple
        break;
      }
      expect(',');
    }
    if (lengths.size() > max_rank) {
      source_.fail("npy-rank", "an array of " + std::to_string(lengths.size()) + " axes",
                   "at most 8; reshape it before saving");
    }
    return Shape(lengths);
  }

  [[noreturn]] void fail_dtype(std::string_view descr) const {
    source_.fail("npy-dtype", "elements of dtype " + std::string(descr),
                 "bool, uint8, int32, int64, float32 or float64; convert it with astype before saving");
  }
  void set_dtype(Header& header, std::string_view descr) const {
    static constexpr std::pair<std::string_view, Dtype> codes[] = {{"b1", Dtype::bool_},   {"u1", Dtype::uint8},
                                                                   {"i4", Dtype::int32},   {"i8", Dtype::int64},
                                                                   {"f4", Dtype::float32}, {"f8", Dtype::float64}};
    const std::string_view code = descr.substr(std::min<size_t>(1, descr.size()));
    const auto* found =
        std::find_if(std::begin(codes), std::end(codes), [&](const auto& c) { return c.first == code; });
    const char order = descr.empty() ? '?' : descr.front();
    if (found == std::end(codes) || !std::strchr("<>|=", order)) fail_dtype(descr);
    header.dtype = found->second;
    if (order == '|' && itemsize(header.dtype) > 1) corrupt();
    header.swapped = order == '>';
  }

  const Source& source_;
  std::string_view text_;
  std::optional<std::string_view> descr_;
  std::optional<bool> fortran_;
  std::optional<Shape> shape_;
};

Header read_header(Source& source) {
  unsigned char start[12];
  const auto truncated = [&] {
    source.fail("npy-truncated", "it ends within its header", "a whole .npy file; fetch it again");
  };
  if (source.remaining() < 10) truncated();
  source.read(start, 10);
  if (std::memcmp(start, magic.data(), magic.size()) != 0) {
    source.fail("npy-magic", "its first bytes are not those of a .npy file",
                "a file that numpy.save or write_npy wrote");
  }
  const int major = start[6];
  if (major < 1 || major > 3) source.fail("npy-version", "format version " + std::to_string(major), "1, 2 or 3");
  int64_t length = start[8] | start[9] << 8;
  if (major > 1) {
    if (source.remaining() < 2) truncated();
    source.read(start + 10, 2);
    length |= int64_t{start[10]} << 16 | int64_t{start[11]} << 24;
  }
  if (length > source.remaining()) truncated();
  if (length > longest_header)
    source.fail("npy-header", "a header of " + std::to_string(length) + " bytes", "at most 65536");
  std::string text(static_cast<size_t>(length), '\0');
  source.read(text.data(), length);
  return HeaderParser(source, text).parse();
}

/// Throws unless as many bytes are left as the header promises: before anything is allocated for them.
void check_length(const Source& source, const Header& header) {
  int64_t bytes = itemsize(header.dtype),
          bytes_or_one = bytes;  // with axes of length 0 taken as 1: strides must fit as well
  bool overflow = false;
  for (const Dim d : header.shape) {
    overflow |= __builtin_mul_overflow(bytes_or_one, std::max<int64_t>(d.value(), 1), &bytes_or_one);
    bytes = d.value() == 0 || overflow ? 0 : bytes * d.value();
  }
  if (overflow) source.fail("npy-size", "an array of shape " + to_string(header.shape), "one that fits into memory");
  const int64_t left = source.remaining();
  const std::string wanted = std::to_string(bytes) + " bytes of elements, as its header says; fetch the file again";
  if (left < bytes) source.fail("npy-truncated", std::to_string(left) + " bytes follow its header", wanted);
  if (left > bytes) source.fail("npy-long", std::to_string(left) + " bytes follow its header", wanted);
}

void swap_bytes(std::byte* data, int64_t bytes, int item) {
  for (int64_t i = 0; item > 1 && i < bytes; i += item) std::reverse(data + i, data + i + item);
}

/// A file from one end to the other.
class WholeFile final : public Source {
 public:
  explicit WholeFile(const std::string& path) : file_("read_npy", path) {}
  int64_t remaining() const override { return file_.size() - at_; }
  void read(void* out, int64_t bytes) override {
    file_.read(at_, out, bytes);
    at_ += bytes;
  }
  std::string name() const override { return file_.name(); }

 private:
  InputFile file_;
  int64_t at_ = 0;
};

}  // namespace

namespace detail {

void Source::fail(const char* id, const std::string& got, const std::string& wanted) const {
  throw Error(ErrorKind::io, id, name() + ": " + got + ": wanted " + wanted + called_at({}));
}

Array read_array(Source& source) {
  const Header header = read_header(source);
  check_length(source, header);
  const Type* type = Type::of(header.dtype, header.shape);
  std::array<uint8_t, max_rank> order{};
  for (int i = 0; i < type->rank(); ++i)
    order[static_cast<size_t>(i)] = static_cast<uint8_t>(header.fortran ? type->rank() - 1 - i : i);
  Array x = wengert::detail::make_array(Layout::dense_of(type, order));
  std::byte* data = x.node()->data;
  source.read(data, type->nbytes());
  if (header.swapped) swap_bytes(data, type->nbytes(), itemsize(header.dtype));
  if (header.dtype == Dtype::bool_ &&
      std::any_of(data, data + type->nbytes(), [](std::byte b) { return b > std::byte{1}; })) {
    source.fail("npy-bool", "an element of dtype bool is neither 0 nor 1", "whole data; fetch the file again");
  }
  return x;
}

std::string npy_header(const Type& type) {
  const char* descr = nullptr;
  switch (type.dtype) {
    case Dtype::bool_: descr = "|b1"; break;
    case Dtype::uint8: descr = "|u1"; break;
    case Dtype::int32: descr = "<i4"; break;
    case Dtype::int64: descr = "<i8"; break;
    case Dtype::float32: descr = "<f4"; break;
    case Dtype::float64: descr = "<f8"; break;
    default:
      throw Error(ErrorKind::dtype, "npy-dtype",
                  "write_npy: " + to_string(type) + ": wanted a dtype of NumPy's" + called_at({}));
  }
  std::string text = "{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (";
  for (int i = 0; i < type.rank(); ++i) {
    text += (i > 0 ? " " : "") + std::to_string(type.shape[i].value()) + (i + 1 < type.rank() || i == 0 ? "," : "");
  }
  text += "), }";
  // The elements begin at a multiple of 64 bytes, so that they can be mapped into memory.
  text.append(63 - (magic.size() + 4 + text.size()) % 64, ' ');
  text += '\n';
  const auto length = static_cast<uint16_t>(text.size());
  const char start[] = {1, 0, static_cast<char>(length & 0xff), static_cast<char>(length >> 8)};
  return std::string(magic) + std::string(start, sizeof start) + text;
}

Array row_major(const Array& x, const char* operation, std::source_location where) {
  const Type* type = &x.type();  // throws when x is undefined
  const Array values = wengert::detail::concrete(x, operation, where);
  if (values.layout().contiguous) return values;
  Array copy = wengert::detail::make_array(Layout::contiguous_of(type));
  wengert::detail::copy_strided(copy.node()->data, values.node());
  return copy;
}

}  // namespace detail

Array read_npy(const std::string& path, std::source_location where) try {
  const CallScope scope(where);
  WholeFile source(path);
  return detail::read_array(source);
} catch (const std::bad_alloc&) { throw_no_memory("read_npy", where); }

void write_npy(const std::string& path, const Array& x, std::source_location where) try {
  const CallScope scope(where);
  const Array values = detail::row_major(x, "write_npy", where);
  OutputFile file("write_npy", path);
  file.write(detail::npy_header(values.type()));
  file.write(values.node()->data, values.nbytes());
  file.commit();
} catch (const std::bad_alloc&) { throw_no_memory("write_npy", where); }

}  // namespace wengert::io
