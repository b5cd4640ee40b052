#include "wengert/io/checkpoint.hpp"

#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "wengert/io/npz.hpp"
#include "wengert/io/zip.hpp"
#include "wengert/ops/operand.hpp"

namespace wengert::io::detail {
namespace {

using nlohmann::json;
using tree::detail::StaticValue;

constexpr const char* operation = "load_checkpoint";
constexpr const char* description_name = "checkpoint.json";
constexpr const char* format_name = "wengert-checkpoint";
constexpr int format_version = 2;

/// The static values of a tree that mean the same in every process, by path.
class Values final : public tree::detail::Visitor {
 public:
  Values() : Visitor(true) {}
  void leaf(Array&) override {}
  void static_value(const StaticValue& v) override {
    if (v.kind != StaticValue::pointer && v.kind != StaticValue::other) texts[path_text(path())] = value_text(v);
  }
  std::map<std::string, std::string> texts;
};

std::string with_escaped(const std::string& text, auto&& is_plain) {
  std::string escaped;
  for (const char c : text) {
    constexpr const char* digits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    if (is_plain(byte)) escaped += c;
    else escaped += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
  }
  return escaped;
}
/// How a text stands in JSON, which holds UTF-8 only. What is not gets escapes, and a first word that no path or value
/// has.
std::string stored(const std::string& text) {
  try {
    static_cast<void>(json(text).dump());
    return text;
  } catch (const json::type_error&) {
    return "bytes " + with_escaped(text, [](unsigned char c) { return c < 0x80 && c != '\\'; });
  }
}
/// How a text stands in a message, which ends at a NUL.
std::string shown(const std::string& text) {
  return with_escaped(text, [](unsigned char c) { return c >= ' '; });
}

/// `path` below `part`.
std::string below(std::string_view part, const std::string& path) {
  if (part.empty() || path.empty()) return std::string(part) + path;
  return std::string(part) + (path.front() == '[' ? "" : ".") + path;
}
bool is_below(std::string_view part, std::string_view path) {
  return path.starts_with(part) &&
      (part.empty() || path.size() == part.size() || path[part.size()] == '.' || path[part.size()] == '[');
}

/// What a checkpoint says of its arrays. No json object holds it: the destructor of one asks for memory, and ends the
/// process where there is none.
struct Description {
  std::map<std::string, std::string> values;
  std::map<std::string, std::vector<uint64_t>> order;  // of the axes in memory
  std::set<std::string> undefined;                     // leaves that the tree had, and no array

  std::string text() const {
    std::string lines = "{\n \"format\": " + quoted(format_name) + ",\n \"version\": " + std::to_string(format_version);
    const auto add_section = [&](const char* name, const auto& entries, const auto& text_of) {
      lines += ",\n " + quoted(name) + ": {";
      const char* separator = "\n  ";
      for (const auto& [key, entry] : entries) {
        lines += std::exchange(separator, ",\n  ") + quoted(stored(key)) + ": " + text_of(entry);
      }
      lines += "}";
    };
    add_section("order", order, [](const auto& axes) {
      std::string list;
      for (const uint64_t axis : axes) list += (list.empty() ? "[" : ", ") + std::to_string(axis);
      return list + "]";
    });
    add_section("values", values, [](const auto& value) { return quoted(stored(value)); });
    std::map<std::string, bool> leaves;
    for (const std::string& path : undefined) leaves[path] = true;
    add_section("undefined", leaves, [](bool) { return std::string("true"); });
    return lines + "\n}\n";
  }

 private:
  static std::string quoted(const std::string& text) { return json(text).dump(); }
};

/// Reads the text of a Description; refuses whatever that does not write.
class DescriptionReader final : public json::json_sax_t {
 public:
  Description result;
  std::optional<uint64_t> version;  // as far as it was read
  /// Whether nothing is missing, after all was read.
  bool is_whole() const { return has_format_ && version && sections_.size() == 3; }

  bool start_object(std::size_t) override {
    if (depth_ == 0) return ++depth_ == 1;
    if (depth_ > 1) return false;
    sections_.insert(section_);
    return ++depth_ == 2 && (section_ == "values" || section_ == "order" || section_ == "undefined");
  }
  bool key(string_t& name) override {
    (depth_ == 1 ? section_ : name_) = name;
    return true;
  }
  bool end_object() override { return --depth_ >= 0; }
  bool start_array(std::size_t) override {
    if (depth_ != 2 || section_ != "order" || axes_) return false;
    axes_ = &result.order[name_];
    axes_->clear();
    return true;
  }
  bool end_array() override { return std::exchange(axes_, nullptr) != nullptr; }
  bool string(string_t& text) override {
    if (depth_ == 1 && section_ == "format") return has_format_ = text == format_name;
    if (depth_ != 2 || section_ != "values") return false;
    result.values[name_] = text;
    return true;
  }
  bool number_unsigned(uint64_t number) override {
    if (depth_ == 1 && section_ == "version") return (version = number) == format_version;
    if (!axes_ || axes_->size() == max_rank) return false;
    axes_->push_back(number);
    return true;
  }
  bool number_integer(int64_t) override { return false; }
  bool number_float(double, const string_t&) override { return false; }
  bool boolean(bool is_undefined) override {
    if (depth_ != 2 || section_ != "undefined") return false;
    result.undefined.insert(name_);
    return is_undefined;
  }
  bool null() override { return false; }
  bool binary(json::binary_t&) override { return false; }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override { return false; }

 private:
  int depth_ = 0;
  std::string section_, name_;
  std::vector<uint64_t>* axes_ = nullptr;  // of the order that is being read
  bool has_format_ = false;
  std::set<std::string> sections_;
};

/// An open checkpoint.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), zip_(operation, path) {
    const ZipEntry* description = nullptr;
    for (const ZipEntry& e : zip_.entries()) {
      if (e.name.ends_with(".npy")) arrays_[e.name.substr(0, e.name.size() - 4)] = &e;
      else if (e.name == description_name) description = &e;
    }
    if (!description) not_a_checkpoint();
    description_ = read_description(*description);
  }

  /// What was saved there; undefined where an undefined array was.
  Array take(const std::string& path, const Array& like) {
    const auto found = arrays_.find(path);
    if (found == arrays_.end()) {
      if (like.defined()) fail(ErrorKind::value, "checkpoint-missing", path + ": is not in it", describe(like));
      if (description_.undefined.erase(stored(path)) == 0) fail_missing(path);
      return {};
    }
    const Array x = read_array(*zip_.open(*found->second));
    arrays_.erase(found);
    if (like.defined() && !(x.shape() == like.shape()))
      fail(ErrorKind::shape, "checkpoint-shape", path + ": is " + describe(x), describe(like));
    if (like.defined() && x.dtype() != like.dtype())
      fail(ErrorKind::dtype, "checkpoint-dtype", path + ": is " + describe(x), describe(like));
    return placed(path, x, like.defined() && like.type().weak);
  }
  void want_nothing_left(std::string_view part) const {
    const auto want_none = [&](const std::string& path) {
      if (!is_below(part, path)) return;
      fail(ErrorKind::value, "checkpoint-extra", path + ": is in it",
           "only what the tree has; give the tree that was saved, or name a part of it");
    };
    for (const auto& [path, entry] : arrays_) want_none(path);
    for (const std::string& path : description_.undefined) want_none(path);
    for (const auto& [path, value] : description_.values) want_none(path);
  }
  void take_value(const std::string& path, const std::string& text) {
    const auto saved = description_.values.find(stored(path));
    if (saved == description_.values.end()) fail_missing(path);
    if (saved->second == stored(text)) {
      description_.values.erase(saved);
      return;
    }
    fail(
        ErrorKind::value, "checkpoint-value", path + ": was " + saved->second + " and is " + stored(text),
        "the value that was saved; numbers and texts in a tree are static: give the same ones, or hold what changes in an "
        "array");
  }

 private:
  [[noreturn]] void fail(ErrorKind kind, const char* id, const std::string& got, const std::string& wanted) const {
    throw Error(kind, id,
                std::string(operation) + ": " + path_ + ": " + shown(got) + ": wanted " + wanted + called_at({}));
  }
  [[noreturn]] void fail_missing(const std::string& path) const {
    fail(ErrorKind::value, "checkpoint-missing", path + ": is not in it",
         "only what was saved; give a tree of the same layers, or name a part of it");
  }
  [[noreturn]] void not_a_checkpoint() const {
    fail(ErrorKind::io, "checkpoint-format", "is no checkpoint of version " + std::to_string(format_version),
         "a file of save_checkpoint; read_npz reads others");
  }

  Description read_description(const ZipEntry& entry) const {
    if (entry.size > (int64_t{64} << 20)) not_a_checkpoint();
    std::string text(static_cast<size_t>(entry.size), '\0');
    zip_.open(entry)->read(text.data(), entry.size);
    DescriptionReader reader;
    const bool read = json::sax_parse(text, &reader);
    if (reader.version && *reader.version != format_version) {
      fail(ErrorKind::io, "checkpoint-version", "is a checkpoint of version " + std::to_string(*reader.version),
           "version " + std::to_string(format_version) + "; use the Wengert that wrote it, or train again");
    }
    if (!read || !reader.is_whole()) not_a_checkpoint();
    return std::move(reader.result);
  }

  /// x in the order of axes in memory that it had: kernels may add in another order over other strides.
  Array placed(const std::string& path, const Array& x, bool weak) const {
    const auto found = description_.order.find(stored(path));
    if (found == description_.order.end() && !weak) return x;
    std::array<uint8_t, max_rank> order{};
    std::iota(order.begin(), order.end(), uint8_t{0});
    if (found != description_.order.end()) order = checked_order(found->second, x.rank());

    Shape shape;  // of x with its axes in that order
    Strides strides{};
    for (int i = 0; i < x.rank(); ++i) {
      shape.push_back(x.shape()[order[static_cast<size_t>(i)]]);
      strides[static_cast<size_t>(i)] = x.layout().strides[order[static_cast<size_t>(i)]];
    }
    const Array view = wengert::detail::make_view(x, Layout::of(Type::of(x.dtype(), shape), strides), 0);
    Array result = wengert::detail::make_array(Layout::dense_of(Type::of(x.dtype(), x.shape(), weak), order));
    wengert::detail::copy_strided(result.node()->data, view.node());
    return result;
  }
  std::array<uint8_t, max_rank> checked_order(const std::vector<uint64_t>& axes, int rank) const {
    std::array<uint8_t, max_rank> order{};
    unsigned seen = 0;
    for (size_t i = 0; i < axes.size() && i < order.size(); ++i) {
      if (axes[i] >= max_rank) not_a_checkpoint();
      order[i] = static_cast<uint8_t>(axes[i]);
      seen |= 1u << order[i];
    }
    if (axes.size() != static_cast<size_t>(rank) || seen != (1u << rank) - 1) not_a_checkpoint();
    return order;
  }

  std::string path_;
  ZipReader zip_;
  std::map<std::string, const ZipEntry*> arrays_;  // not yet taken
  Description description_;
};

}  // namespace

void save_checkpoint(const std::string& path, const void* tree, tree::detail::Walk walk,
                     std::source_location where) try {
  const CallScope scope(where);
  const std::vector<std::string> paths = tree::detail::paths_of(tree, walk);
  const std::vector<Array> leaves = tree::detail::leaves_of(tree, walk);
  Values values;
  walk(tree, values);
  Description description;
  description.values = std::move(values.texts);
  ZipWriter zip("save_checkpoint", path);
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (!leaves[i].defined()) {
      description.undefined.insert(paths[i]);
      continue;
    }
    add_array(zip, paths[i], leaves[i], "save_checkpoint", where);
    const Layout& layout = leaves[i].layout();
    if (layout.dense && !layout.contiguous) {
      description.order[paths[i]].assign(layout.order.begin(), layout.order.begin() + leaves[i].rank());
    }
  }
  zip.add(description_name, {description.text()});
  zip.commit();
} catch (const std::bad_alloc&) { throw_no_memory("save_checkpoint", where); }

std::vector<Array> load_checkpoint(const std::string& path, const void* like, tree::detail::Walk walk,
                                   std::string_view part, std::source_location where) try {
  const CallScope scope(where);
  const std::vector<std::string> paths = tree::detail::paths_of(like, walk);
  std::vector<Array> leaves = tree::detail::leaves_of(like, walk);
  Values values;
  walk(like, values);
  Reader reader(path);
  for (size_t i = 0; i < leaves.size(); ++i) leaves[i] = reader.take(below(part, paths[i]), leaves[i]);
  for (const auto& [name, text] : values.texts) reader.take_value(below(part, name), text);
  reader.want_nothing_left(part);
  return leaves;
} catch (const std::bad_alloc&) { throw_no_memory("load_checkpoint", where); }

}  // namespace wengert::io::detail
