#include "wengert/io/npy.hpp"

#include "io_testing.hpp"
#include "wengert/io/file.hpp"
#include "wengert/io/npz.hpp"
#include "wengert/io/zip.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

using namespace io_testing;

constexpr Dtype dtypes[] = {Dtype::bool_, Dtype::uint8, Dtype::int32, Dtype::int64, Dtype::float32, Dtype::float64};

std::vector<double> numbers(const Array& x) { return x.astype(float64).to_vector<double>(); }
Array count(const Shape& shape, Dtype dtype) { return reshape(arange(shape.size()), shape).astype(dtype); }

void expect_equal(const Array& got, const Array& want) {
  EXPECT_EQ(describe(got), describe(want));
  EXPECT_EQ(numbers(got), numbers(want));
}

TEST(Npy, KeepsEveryDtypeAndRank) {
  const Scratch scratch;
  Shape shape;
  for (int rank = 0; rank <= max_rank; ++rank) {
    for (const Dtype dtype : dtypes) {
      const Array x = count(shape, dtype);
      io::write_npy(scratch / "x.npy", x);
      const Array y = io::read_npy(scratch / "x.npy");
      expect_equal(y, x);
      EXPECT_TRUE(y.layout().contiguous);
    }
    if (rank < max_rank) shape.push_back(rank % 3 + 1);
  }
}

TEST(Npy, KeepsEmptyArrays) {
  const Scratch scratch;
  for (const Shape& shape : {Shape{0}, Shape{3, 0, 2}, Shape{0, 0}, Shape{int64_t{1} << 40, 0}}) {
    io::write_npy(scratch / "x.npy", zeros(shape));
    EXPECT_EQ(describe(io::read_npy(scratch / "x.npy")), describe(zeros(shape)));
  }
}

TEST(Npy, WritesViewsInRowMajorOrder) {
  const Scratch scratch;
  const Array x = count({2, 3, 4}, float32);
  const Layout& layout = x.layout();
  Strides reversed = layout.strides;
  reversed[2] = -1;
  const Array views[] = {transpose(x), broadcast_to(count({3, 1}, int64), {2, 3, 4}),
                         detail::make_view(x, Layout::of(&x.type(), reversed), 3),
                         detail::make_view(x, Layout::of(Type::of(float32, {2, 2}), {12, 2}), 1)};
  for (const Array& view : views) {
    ASSERT_FALSE(view.layout().contiguous);
    io::write_npy(scratch / "x.npy", view);
    expect_equal(io::read_npy(scratch / "x.npy"), view);
  }
}

TEST(Npy, ReadsWhatNumPyWrites) {
  for (const auto& [name, want] : {std::pair{"version1", count({2, 3}, float32)},
                                   {"version2", count({2, 3}, int64)},
                                   {"version3", count({2, 3}, float64)},
                                   {"big_endian", count({2, 3}, int32)},
                                   {"fortran", count({2, 3, 2}, float32)},
                                   {"scalar", count({}, float64)},
                                   {"empty", count({3, 0, 2}, float32)},
                                   {"bytes", count({5}, uint8)},
                                   {"truth", array({true, false, true, false, true})}}) {
    SCOPED_TRACE(name);
    expect_equal(io::read_npy(fixture(std::string(name) + ".npy")), want);
  }
}

TEST(Npz, ReadsWhatNumPyWrites) {
  for (const char* name : {"stored.npz", "deflated.npz", "streamed.npz"}) {
    SCOPED_TRACE(name);
    const auto arrays = io::read_npz(fixture(name));
    ASSERT_EQ(arrays.size(), 4u);
    expect_equal(arrays.at("weight"), count({2, 3}, float32));
    expect_equal(arrays.at("step"), count({}, int64));
    expect_equal(arrays.at("empty"), count({0, 2}, float64));
    expect_equal(arrays.at("order"), count({3, 2}, int32));
  }
}

TEST(Npz, KeepsNamesAndArrays) {
  const Scratch scratch;
  const std::map<std::string, Array> arrays = {{"layers[0].weight", transpose(count({2, 3}, float32))},
                                               {"größe", count({}, int64)},
                                               {"", count({0}, bool_)},
                                               {"a/b", count({300, 400}, float64)}};
  io::write_npz(scratch / "x.npz", arrays);
  const auto read = io::read_npz(scratch / "x.npz");
  ASSERT_EQ(read.size(), arrays.size());
  for (const auto& [name, x] : arrays) expect_equal(read.at(name), x);
  io::write_npz(scratch / "x.npz", {});
  EXPECT_TRUE(io::read_npz(scratch / "x.npz").empty());
  EXPECT_EQ(scratch.names(), std::vector<std::string>{"x.npz"});
}

TEST(Npz, SizesOf64BitsAreReadAndWritten) {
  const Scratch scratch;
  io::detail::ZipWriter zip("test", scratch / "x.npz", 0);  // every number that can be wide is
  io::detail::add_array(zip, "x", count({5}, int32), "test", std::source_location::current());
  io::detail::add_array(zip, "y", count({2, 2}, float32), "test", std::source_location::current());
  zip.commit();
  const auto arrays = io::read_npz(scratch / "x.npz");
  expect_equal(arrays.at("x"), count({5}, int32));
  expect_equal(arrays.at("y"), count({2, 2}, float32));
}

// Damage -------------------------------------------------------------------------------------------------

/// Calls f(path of a damaged copy, what was done) for every length, and for every byte with several changes.
template <class F>
void damage(const std::string& original, F f) {
  const std::string whole = content(original);
  MemoryFile file;
  for (size_t length = 0; length < whole.size(); ++length) {
    file.put(whole.substr(0, length));
    f(file.path(), "cut to " + std::to_string(length), true);
  }
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const int flip : {0x01, 0x20, 0x80, 0xff}) {
      std::string text = whole;
      text[i] = static_cast<char>(text[i] ^ flip);
      file.put(text);
      f(file.path(), "byte " + std::to_string(i) + " ^ " + std::to_string(flip), false);
    }
  }
}

/// Whether reading throws an Error of kind io; fails for any other.
template <class F>
bool refused(F&& read, const std::string& what) {
  try {
    read();
    return false;
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::io) << what << ": " << e.what();
    return true;
  }
}

TEST(Npy, DamagedFilesAreErrorsOrOtherNumbers) {
  for (const char* name :
       {"version1.npy", "version2.npy", "big_endian.npy", "fortran.npy", "scalar.npy", "empty.npy", "truth.npy"}) {
    const int64_t bytes = io::read_npy(fixture(name)).nbytes();
    damage(fixture(name), [&](const std::string& path, const std::string& what, bool cut) {
      Array x;
      const bool error = refused([&] { x = io::read_npy(path); }, name + (": " + what));
      EXPECT_TRUE(error || !cut) << name << ": " << what;
      EXPECT_TRUE(error || x.nbytes() == bytes) << name << ": " << what;
    });
  }
}

TEST(Npz, DamagedFilesAreErrorsOrHarmless) {
  for (const char* name : {"stored.npz", "deflated.npz", "streamed.npz"}) {
    const auto want = io::read_npz(fixture(name));
    int harmless = 0, all = 0;
    damage(fixture(name), [&](const std::string& path, const std::string& what, bool cut) {
      SCOPED_TRACE(name + (": " + what));
      std::map<std::string, Array> got;
      const bool error = refused([&] { got = io::read_npz(path); }, what);
      EXPECT_TRUE(error || !cut);
      ++all;
      if (error) return;
      ++harmless;  // a date, a version
      ASSERT_EQ(got.size(), want.size());
      for (const auto& [key, x] : want) expect_equal(got.at(key), x);
    });
    EXPECT_LT(harmless, all / 3) << name;
  }
}

std::string npy_with(const std::string& header) {
  const auto length = static_cast<uint16_t>(header.size());
  return "\x93NUMPY" + std::string{1, 0, static_cast<char>(length & 0xff), static_cast<char>(length >> 8)} + header;
}

TEST(Npy, LargeClaimsAllocateNothing) {
  const Scratch scratch;
  memory::reset_peak();
  const int64_t before = memory::statistics().peak;
  for (const char* shape : {"(1099511627776,)", "(1048576, 1048576, 1048576, 1048576)", "(9223372036854775807,)",
                            "(9223372036854775808,)", "(1073741824, 4)"}) {
    put(scratch / "x.npy",
        npy_with("{'descr': '<f8', 'fortran_order': False, 'shape': " + std::string(shape) + ", }\n") + "12345678");
    EXPECT_TRUE(refused([&] { io::read_npy(scratch / "x.npy"); }, shape)) << shape;
  }
  // Nothing is in it, and its strides fit no integer.
  put(scratch / "x.npy",
      npy_with("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 1099511627776, 1099511627776), }\n"));
  EXPECT_EQ(
      error_of([&] { io::read_npy(scratch / "x.npy"); }, scratch / ""),
      "io npy-size: read_npy: x.npy: an array of shape [0,1099511627776,1099511627776]: wanted one that fits into "
      "memory");
  EXPECT_LT(memory::statistics().peak, before + (1 << 20));
}

TEST(Npy, ErrorsSayWhatIsWrong) {
  const Scratch scratch;
  const std::string folder = scratch / "";
  const auto error = [&](const std::string& header, const std::string& data = "") {
    put(scratch / "x.npy", npy_with(header) + data);
    return error_of([&] { io::read_npy(scratch / "x.npy"); }, folder);
  };
  const std::string start = "{'descr': '<f4', 'fortran_order': False, 'shape': ";
  EXPECT_EQ(
      error(start + "(2,)}", "1234567"),
      "io npy-truncated: read_npy: x.npy: 7 bytes follow its header: wanted 8 bytes of elements, as its header says; "
      "fetch the file again");
  EXPECT_EQ(
      error(start + "(2,)}", "123456789"),
      "io npy-long: read_npy: x.npy: 9 bytes follow its header: wanted 8 bytes of elements, as its header says; fetch "
      "the file again");
  EXPECT_EQ(error(start + "(1, 1, 1, 1, 1, 1, 1, 1, 1)}", "1234"),
            "io npy-rank: read_npy: x.npy: an array of 9 axes: wanted at most 8; reshape it before saving");
  EXPECT_EQ(
      error("{'descr': '<f2', 'fortran_order': False, 'shape': ()}", "12"),
      "io npy-dtype: read_npy: x.npy: elements of dtype <f2: wanted bool, uint8, int32, int64, float32 or float64; "
      "convert it with astype before saving");
  EXPECT_EQ(
      error("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", "1234"),
      "io npy-dtype: read_npy: x.npy: elements of dtype a structure: wanted bool, uint8, int32, int64, float32 or "
      "float64; "
      "convert it with astype before saving");
  EXPECT_EQ(
      error("{'descr': '|b1', 'fortran_order': False, 'shape': ()}", "\x07"),
      "io npy-bool: read_npy: x.npy: an element of dtype bool is neither 0 nor 1: wanted whole data; fetch the file "
      "again");
  for (const char* header :
       {"", "{}", "{'descr': '<f4', 'shape': ()}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", "{'descr': '<f4', 'fortran_order': False, 'shape': (1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': ()} x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (), 'more': 1}"}) {
    EXPECT_EQ(error(header, "1234"),
              "io npy-header: read_npy: x.npy: its header is corrupt: wanted a dictionary of descr, fortran_order "
              "and shape; fetch the file again")
        << header;
  }
  EXPECT_EQ(error_of([&] { io::read_npy(scratch / "none.npy"); }, folder),
            "io file-open: read_npy: none.npy: No such file or directory: wanted a readable file");
  EXPECT_EQ(error_of([&] { io::read_npy(folder); }),
            "io file-open: read_npy: " + folder + ": is no regular file: wanted a regular file");
  EXPECT_EQ(error_of([&] { io::read_npy(fixture("stored.npz")); }, fixture("")),
            "io npy-magic: read_npy: stored.npz: its first bytes are not those of a .npy file: wanted a file that "
            "numpy.save or write_npy wrote");
  EXPECT_EQ(
      error_of([&] { io::read_npz(fixture("scalar.npy")); }, fixture("")),
      "io zip-directory: read_npz: scalar.npy: its directory is missing or corrupt: wanted a whole .npz file; fetch "
      "it again");
}

/// Writes over what stands at a place of a file.
void patch(const std::string& path, size_t at, const std::string& text) {
  std::string whole = content(path);
  put(path, whole.replace(at, text.size(), text));
}

TEST(Npz, ErrorsSayWhatIsWrong) {
  const Scratch scratch;
  const std::string path = scratch / "x.npz";
  // The archive with one array x, changed where `find` gives the place.
  const auto error = [&](const auto& find, const std::string& text) {
    io::write_npz(path, {{"x", array({1.f, 2.f})}});
    patch(path, find(content(path)), text);
    return error_of([&] { io::read_npz(path); }, scratch / "");
  };
  const auto method = [](const std::string& whole) { return whole.find("PK\x01\x02") + 10; };
  EXPECT_EQ(error(method, "\x63"),
            "io zip-method: read_npz: x.npz: x.npy: is encrypted or packed by method 99: wanted an entry stored or "
            "deflated");
  const auto last_element = [](const std::string& whole) { return whole.find("PK\x01\x02") - 1; };
  EXPECT_EQ(error(last_element, "\x7f"),
            "io zip-corrupt: read_npz: x.npz: x.npy: its data does not match its checksum: wanted a whole .npz file; "
            "fetch it again");
  const auto header = [](const std::string& whole) { return whole.find("PK\x03\x04"); };
  EXPECT_EQ(
      error(header, "no"),
      "io zip-corrupt: read_npz: x.npz: the header of its entry x.npy is corrupt: wanted a whole .npz file; fetch "
      "it again");

  io::detail::ZipWriter zip("write_npz", path);
  zip.add("a", {"1"});
  EXPECT_EQ(error_of([&] { zip.add("a", {"2"}); }), "value zip-name: write_npz: two entries a: wanted different names");
}

TEST(InputFile, ThatEndsEarlyOrCannotBeReadIsAnError) {
  const Scratch scratch;
  put(scratch / "x", "abc");
  const io::InputFile file("read", scratch / "x");
  char bytes[8] = {};
  file.read(1, bytes, 2);
  EXPECT_EQ(std::string(bytes), "bc");
  EXPECT_EQ(error_of([&] { file.read(1, bytes, 5); }, scratch / ""),
            "io file-truncated: read: x: it ends 3 bytes early: wanted a whole file; fetch it again");
  const io::InputFile unreadable("read", "/proc/self/mem");  // nothing is mapped at its beginning
  EXPECT_EQ(error_of([&] { unreadable.read(0, bytes, 1); }),
            "io file-read: read: /proc/self/mem: Input/output error: wanted a readable file");
}

TEST(Npy, ValuesThatAreNotThereAreErrors) {
  const Scratch scratch;
  EXPECT_EQ(error_of([&] { io::write_npy(scratch / "x.npy", Array()); }).substr(0, 21), "state array-undefined");
  const auto f = [&](const Array& x) {
    io::write_npy(scratch / "x.npy", x);
    return x;
  };
  EXPECT_EQ(error_of([&] { make_program(f)(ones({2})); }).substr(0, 43), "trace trace-no-value: write_npy: x f32[2] h");
  EXPECT_EQ(scratch.names(), std::vector<std::string>{});
  grad([&](const Array& x) { return sum(f(x)); })(ones({2}));  // under grad there are values
  expect_equal(io::read_npy(scratch / "x.npy"), ones({2}));
}

}  // namespace
}  // namespace wengert
