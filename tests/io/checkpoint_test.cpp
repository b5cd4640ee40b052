#include "wengert/io/checkpoint.hpp"

#include <signal.h>

#include <cstring>
#include <thread>

#include "io_testing.hpp"
#include "tests/file_limit.hpp"
#include "wengert/io/npz.hpp"
#include "wengert/io/zip.hpp"
#include "wengert/train/interrupt.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

using namespace io_testing;

struct Layer {
  int64_t in = 0;
  Array weight = {}, bias = {};
};
struct Tree {
  Layer first = {};
  std::vector<Layer> layers = {};
  std::map<std::string, Array> named = {};
  std::optional<Array> maybe = {};
  Array undefined = {};
  std::string text = "a";
};
Tree make_tree(float value) {
  const Layer layer{2, full({2, 3}, value), array({value})};
  return {layer, {layer, layer}, {{"step", array(int64_t{7})}, {"mask", array({true, false})}}, array(1.5), {}, "a"};
}

std::string bytes(const Array& x) {
  std::string text(static_cast<size_t>(x.nbytes()), '\0');
  detail::copy_strided(text.data(), x.node());
  return text;
}
template <class T>
void expect_same(const T& a, const T& b) {
  EXPECT_EQ(tree::structure(a), tree::structure(b));
  const auto x = tree::flatten(a), y = tree::flatten(b);
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(describe(x[i]), describe(y[i]));
    EXPECT_TRUE(!x[i].defined() || bytes(x[i]) == bytes(y[i])) << tree::paths(a)[i];
  }
}

TEST(Checkpoint, KeepsATree) {
  const Scratch scratch;
  const Tree saved = make_tree(3);
  io::save_checkpoint(scratch / "c.npz", saved);
  expect_same(io::load_checkpoint(scratch / "c.npz", make_tree(0)), saved);
  const auto arrays = io::read_npz(scratch / "c.npz");
  EXPECT_EQ(arrays.size(), 9u);
  EXPECT_EQ(bytes(arrays.at("layers[1].weight")), bytes(saved.layers[1].weight));
  EXPECT_EQ(arrays.at("named[\"step\"]").item<int64_t>(), 7);
  EXPECT_EQ(scratch.names(), std::vector<std::string>{"c.npz"});
}

struct Named {
  std::string name;
  std::map<std::string, Array> arrays;
};
TEST(Checkpoint, KeepsNamesThatAreNoUtf8) {
  const Scratch scratch;
  const std::string path = scratch / "c.npz";
  const Array x = reshape(arange(2 * 3), {2, 3}).astype(float32);
  const Array columns = detail::make_array(Layout::dense_of(&x.type(), {1, 0}));
  detail::copy_strided(columns.node()->data, x.node());
  const Named saved{"a\\\xff\xfe", {{"\xff", columns}, {"\xc3\xa9", x}}};
  io::save_checkpoint(path, saved);
  const Named loaded = io::load_checkpoint(path, saved);
  expect_same(loaded, saved);
  EXPECT_EQ(loaded.arrays.at("\xff").layout().strides[0], 1);

  const auto error = [&](std::string name) {
    const Named other{std::move(name), saved.arrays};
    return test::error_of([&] { io::load_checkpoint(path, other); }, ErrorKind::value, "checkpoint-value");
  };
  EXPECT_NE(error("a\\\xff\xfd").find("name: was bytes 'a\\x5c\\xff\\xfe' and is bytes 'a\\x5c\\xff\\xfd': wanted"),
            std::string::npos);
  EXPECT_NE(error("bytes 'a\\x5c\\xff\\xfe'").find("wanted"), std::string::npos);
  EXPECT_NE(error(std::string("a\0b", 3)).find("is 'a\\x00b': wanted the value that was saved"), std::string::npos);
}

TEST(Checkpoint, EqualTreesMakeEqualFiles) {
  const Scratch scratch;
  io::save_checkpoint(scratch / "a.npz", make_tree(3));
  io::save_checkpoint(scratch / "b.npz", make_tree(3));
  EXPECT_EQ(content(scratch / "a.npz"), content(scratch / "b.npz"));
}

TEST(Checkpoint, KeepsTheOrderInMemoryAndTheWeakBit) {
  const Scratch scratch;
  const Array x = reshape(arange(2 * 3 * 4 * 5), {2, 3, 4, 5}).astype(float32);
  const Array last = detail::make_array(Layout::dense_of(&x.type(), {0, 2, 3, 1}));  // channels last
  const Array permuted = detail::make_view(x, Layout::of(Type::of(float32, {2, 4, 5, 3}), {60, 5, 1, 20}), 0);
  detail::copy_strided(last.node()->data, permuted.node());
  ASSERT_EQ(bytes(last), bytes(x));
  const Array weak = detail::scalar(2.0, float32, true);
  const std::vector<Array> saved = {last, x, weak, broadcast_to(array({1.f}), {4})};
  io::save_checkpoint(scratch / "c.npz", saved);
  const std::vector<Array> loaded = io::load_checkpoint(scratch / "c.npz", saved);
  for (size_t i = 0; i < saved.size(); ++i) EXPECT_EQ(bytes(loaded[i]), bytes(saved[i]));
  EXPECT_EQ(&loaded[0].layout(), &last.layout());
  EXPECT_TRUE(loaded[1].layout().contiguous);
  EXPECT_EQ(&loaded[2].type(), &weak.type());
  EXPECT_TRUE(loaded[3].layout().contiguous);
}

TEST(Checkpoint, UndefinedArraysTakeWhatIsThere) {
  const Scratch scratch;
  io::save_checkpoint(scratch / "c.npz", Layer{2, ones({2, 3}), {}});
  const Layer loaded = io::load_checkpoint(scratch / "c.npz", Layer{2});
  EXPECT_EQ(describe(loaded.weight), "f32[2,3]");
  EXPECT_FALSE(loaded.bias.defined());
  io::save_checkpoint(scratch / "one.npz", array({1.f, 2.f}));
  EXPECT_EQ(bytes(io::load_checkpoint(scratch / "one.npz", Array())), bytes(array({1.f, 2.f})));
}

TEST(Checkpoint, APartIsLoadedByItsPath) {
  const Scratch scratch;
  const Tree saved = make_tree(3);
  io::save_checkpoint(scratch / "c.npz", saved);
  expect_same(io::load_checkpoint(scratch / "c.npz", Layer{2}, "first"), saved.first);
  expect_same(io::load_checkpoint(scratch / "c.npz", Layer{2}, "layers[1]"), saved.layers[1]);
  expect_same(io::load_checkpoint(scratch / "c.npz", std::vector<Layer>(2, Layer{2}), "layers"), saved.layers);
  expect_same(io::load_checkpoint(scratch / "c.npz", Array(), "first.bias"), saved.first.bias);
}

/// What loading a tree of no arrays from a file with that description says.
std::string error_of_description(const std::string& text) {
  const Scratch scratch;
  io::detail::ZipWriter zip("test", scratch / "c.npz");
  zip.add("checkpoint.json", {text});
  zip.commit();
  try {
    io::load_checkpoint(scratch / "c.npz", std::vector<Array>());
    return "";
  } catch (const Error& error) { return error.id(); }
}

TEST(Checkpoint, DescriptionsAreReadToTheLetter) {
  const auto text = [](const std::string& order, const std::string& values = "{}", const std::string& undefined = "{}",
                       const std::string& version = "2") {
    return R"({"format": "wengert-checkpoint", "version": )" + version + R"(, "order": )" + order + R"(, "values": )" +
        values + R"(, "undefined": )" + undefined + "}";
  };
  EXPECT_EQ(error_of_description(text("{}")), "");
  EXPECT_EQ(error_of_description(text(R"({"a": [1, 0]})")), "");
  EXPECT_EQ(error_of_description(text("{}", R"({"a": "1"})")), "checkpoint-extra");
  EXPECT_EQ(error_of_description(text("{}", "{}", R"({"a": true})")), "checkpoint-extra");
  EXPECT_EQ(error_of_description(text("{}", "{}", "{}", "1")), "checkpoint-version");
  EXPECT_EQ(error_of_description(text("{}", "{}", "{}", "3")), "checkpoint-version");
  for (const std::string& wrong :
       {text("[]"),
        text("1"),
        text("null"),
        text(R"({"a": 1})"),
        text(R"({"a": [[0]]})"),
        text(R"({"a": [0.5]})"),
        text(R"({"a": [-1]})"),
        text(R"({"a": ["0"]})"),
        text(R"({"a": {}})"),
        text(R"({"a": [0,1,2,3,4,5,6,7,8]})"),
        text(R"({"a": [0})"),
        text("{}", R"({"a": 1})"),
        text("{}", R"({"a": ["1"]})"),
        text("{}", R"({"a": true})"),
        text("{}", R"({"a": {"b": "1"}})"),
        text("{}", "\"1\""),
        text("{}", "{}", R"({"a": false})"),
        text("{}", "{}", R"({"a": 1})"),
        text("{}", "{}", "[true]"),
        text("{}", "{}", "{}", "[2]"),
        text("{}", "{}", "{}", "2.0"),
        text("{}", "{}", "{}", "\"2\""),
        text("{}") + "{}",
        text("{}") + "x",
        text("{}").substr(1),
        std::string("{}"),
        std::string(""),
        std::string("[]"),
        std::string("2"),
        std::string(R"({"format": "wengert-checkpoint", "version": 2, "order": {}, "values": {}})"),
        std::string(R"({"format": "other", "version": 2, "order": {}, "values": {}, "undefined": {}})"),
        std::string(
            R"({"format": "wengert-checkpoint", "version": 2, "order": {}, "values": {}, "undefined": {}, "x": {}})"),
        std::string(R"({"format": "wengert-checkpoint", "order": {}, "values": {}, "undefined": {}})"),
        text("{}", "{\"a\": \"\xff\"}")}) {
    EXPECT_EQ(error_of_description(wrong), "checkpoint-format") << wrong;
  }
}

TEST(Checkpoint, AnotherTreeIsAnErrorThatNamesThePath) {
  const Scratch scratch;
  io::save_checkpoint(scratch / "c.npz", make_tree(3));
  const auto error = [&](const auto& change) {
    Tree like = make_tree(0);
    change(like);
    return error_of([&] { io::load_checkpoint(scratch / "c.npz", like); }, scratch / "");
  };
  EXPECT_EQ(error([](Tree& t) { t.layers[1].weight = zeros({3, 3}); }),
            "shape checkpoint-shape: load_checkpoint: c.npz: layers[1].weight: is f32[2,3]: wanted f32[3,3]");
  EXPECT_EQ(error([](Tree& t) { t.layers[1].weight = zeros({2, 3}, float64); }),
            "dtype checkpoint-dtype: load_checkpoint: c.npz: layers[1].weight: is f32[2,3]: wanted f64[2,3]");
  EXPECT_EQ(error([](Tree& t) { t.named["more"] = ones({2}); }),
            "value checkpoint-missing: load_checkpoint: c.npz: named[\"more\"]: is not in it: wanted f32[2]");
  // Undefined arrays take what was saved there, and nothing else: an untrained layer is not to go unnoticed.
  EXPECT_EQ(
      error([](Tree& t) { t.layers.push_back({}); }),
      "value checkpoint-missing: load_checkpoint: c.npz: layers[2].weight: is not in it: wanted only what was saved; "
      "give a tree of the same layers, or name a part of it");
  EXPECT_EQ(
      error([](Tree& t) { t.named["more"] = Array(); }),
      "value checkpoint-missing: load_checkpoint: c.npz: named[\"more\"]: is not in it: wanted only what was saved; "
      "give a tree of the same layers, or name a part of it");
  EXPECT_EQ(error([](Tree& t) { t.layers.pop_back(); }),
            "value checkpoint-extra: load_checkpoint: c.npz: layers[1].bias: is in it: wanted only what the tree has; "
            "give the tree that was saved, or name a part of it");
  EXPECT_EQ(
      error([](Tree& t) { t.first.in = 5; }),
      "value checkpoint-value: load_checkpoint: c.npz: first.in: was 2 and is 5: wanted the value that was saved; "
      "numbers and texts in a tree are static: give the same ones, or hold what changes in an array");
  EXPECT_EQ(
      error([](Tree& t) { t.text = "b"; }),
      "value checkpoint-value: load_checkpoint: c.npz: text: was 'a' and is 'b': wanted the value that was saved; "
      "numbers and texts in a tree are static: give the same ones, or hold what changes in an array");
  EXPECT_EQ(error_of([&] { io::load_checkpoint(fixture("stored.npz"), Tree()); }, fixture("")),
            "io checkpoint-format: load_checkpoint: stored.npz: is no checkpoint of version 2: wanted a file of "
            "save_checkpoint; read_npz reads others");
}

TEST(Checkpoint, DamageIsAnErrorOrHarmless) {
  const Scratch scratch;
  const Layer saved{2, transpose(reshape(arange(6), {2, 3})), array({1.f})};
  io::save_checkpoint(scratch / "c.npz", saved);
  const std::string whole = content(scratch / "c.npz");
  MemoryFile file;
  const auto loads = [&](const std::string& text) {
    file.put(text);
    try {
      expect_same(io::load_checkpoint(file.path(), saved), saved);
      return true;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::io) << e.what();
      return false;
    }
  };
  for (size_t i = 0; i < whole.size(); ++i) {
    SCOPED_TRACE("byte " + std::to_string(i));
    EXPECT_FALSE(loads(whole.substr(0, i)));
    for (const int flip : {0x01, 0x10, 0xff}) {
      std::string text = whole;
      text[i] = static_cast<char>(text[i] ^ flip);
      loads(text);
    }
  }
  EXPECT_TRUE(loads(whole));
}

// Writing ------------------------------------------------------------------------------------------------

using test::FileLimit;

TEST(Checkpoint, WhatCannotBeWrittenLeavesTheOldOne) {
  const Scratch scratch;
  io::save_checkpoint(scratch / "c.npz", make_tree(3));
  const std::string old = content(scratch / "c.npz");
  for (const rlim_t limit : {rlim_t{0}, rlim_t{100}, static_cast<rlim_t>(old.size() - 1)}) {
    const FileLimit full(limit);
    EXPECT_EQ(
        error_of([&] { io::save_checkpoint(scratch / "c.npz", make_tree(4)); }, scratch / ""),
        "io file-write: save_checkpoint: c.npz: File too large: wanted room on the disk; what stood there before is "
        "unchanged");
  }
  EXPECT_EQ(content(scratch / "c.npz"), old);
  EXPECT_EQ(scratch.names(), std::vector<std::string>{"c.npz"});
  {
    const FileLimit large(1 << 20);
    const std::vector<Array> much = {ones({1 << 19})};
    EXPECT_EQ(error_of([&] { io::save_checkpoint(scratch / "c.npz", much); }).substr(0, 14), "io file-write:");
    io::save_checkpoint(scratch / "c.npz", make_tree(4));
  }
  expect_same(io::load_checkpoint(scratch / "c.npz", make_tree(0)), make_tree(4));
}

TEST(Checkpoint, NamesThatCannotBeFiles) {
  const Scratch scratch;
  EXPECT_EQ(
      error_of([&] { io::save_checkpoint(scratch / "none/c.npz", make_tree(1)); }, scratch / ""),
      "io file-write: save_checkpoint: none/c.npz.tmp: No such file or directory: wanted a folder that can be written "
      "to");
  EXPECT_EQ(error_of([&] { io::save_checkpoint("/dev/null", make_tree(1)); }),
            "io file-write: save_checkpoint: /dev/null: is no regular file: wanted a name for a file");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(Checkpoint, ALinkStaysALink) {
  const Scratch scratch;
  fs::create_directory(scratch / "far");
  put(scratch / "far/c.npz", "old");
  fs::create_symlink("far/c.npz", scratch / "c.npz");
  io::save_checkpoint(scratch / "c.npz", make_tree(1));
  EXPECT_TRUE(fs::is_symlink(scratch / "c.npz"));
  expect_same(io::load_checkpoint(scratch / "far/c.npz", make_tree(0)), make_tree(1));
}

TEST(Checkpoint, LeftoversOfAKilledProcessAreWrittenOver) {
  const Scratch scratch;
  put(scratch / "c.npz.tmp", std::string(100000, 'x'));
  io::save_checkpoint(scratch / "c.npz", make_tree(1));
  expect_same(io::load_checkpoint(scratch / "c.npz", make_tree(0)), make_tree(1));
  EXPECT_EQ(scratch.names(), std::vector<std::string>{"c.npz"});
}

TEST(Checkpoint, ManyWritersOfOneNameTakeTurns) {
  const Scratch scratch;
  io::save_checkpoint(scratch / "c.npz", make_tree(0));
  std::vector<std::thread> writers;
  for (int k = 0; k < 3; ++k) {
    writers.emplace_back([&, k] {
      for (int i = 0; i < 20; ++i) io::save_checkpoint(scratch / "c.npz", make_tree(static_cast<float>(k)));
    });
  }
  for (int i = 0; i < 40; ++i) {
    const Tree loaded = io::load_checkpoint(scratch / "c.npz", make_tree(0));
    expect_same(loaded, make_tree(loaded.first.bias.to_vector<float>()[0]));
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(scratch.names(), std::vector<std::string>{"c.npz"});
}

TEST(Interrupt, IsNotedOnceAndOnlyWhileItLives) {
  struct sigaction before, during, after;
  sigaction(SIGINT, nullptr, &before);
  {
    const train::Interrupt interrupt;
    EXPECT_FALSE(interrupt.requested());
    raise(SIGINT);
    EXPECT_TRUE(interrupt.requested());
    sigaction(SIGINT, nullptr, &during);
    EXPECT_EQ(during.sa_handler, SIG_DFL);  // a second one ends the process
  }
  sigaction(SIGINT, nullptr, &after);
  EXPECT_EQ(after.sa_handler, before.sa_handler);
  EXPECT_FALSE(train::Interrupt().requested());
}

}  // namespace
}  // namespace wengert
