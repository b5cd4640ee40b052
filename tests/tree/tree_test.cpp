#include "wengert/tree/tree.hpp"
#include "wengert/ops/create.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "tests/errors.hpp"
#include "wengert/ops/elementwise.hpp"

namespace wengert {
namespace {

struct Linear {
  int64_t in = 0, out = 0;
  Array weight = {}, bias = {};
};
struct Relu {};
enum class Mode { slow, fast };

class Hidden {
 public:
  Hidden() = default;
  explicit Hidden(double rate) : rate_(rate), mask_(array({1.f})) {}
  template <class V>
  void fields(V& v) {
    v("rate", rate_);
    v("mask", mask_);
  }

 private:
  double rate_ = 0;
  Array mask_;
};

struct Buffer {
  Array value;
};

struct Model {
  Linear first = {};
  std::vector<Linear> layers = {};
  std::array<Array, 2> pair = {};
  std::map<std::string, Array> named = {};
  std::tuple<Array, bool> both = {};
  std::pair<Array, std::string> labelled = {};
  std::optional<Array> maybe = {};
  Relu act = {};
  Hidden hidden = {};
  Buffer mean = {};
  Mode mode = Mode::slow;
  double (*function)(double) = nullptr;
  Shape shape = {};
};

Linear make_linear(float w) { return {2, 1, array({w, w + 1}), array(w)}; }
Model make_model() {
  Model m;
  m.first = make_linear(1);
  m.layers = {make_linear(2), make_linear(3)};
  m.pair = {array(10.f), array(11.f)};
  m.named = {{"b", array(13.f)}, {"a", array(12.f)}};
  m.both = {array(14.f), true};
  m.labelled = {array(15.f), "text"};
  m.maybe = array(16.f);
  m.hidden = Hidden(0.5);
  m.mean = {array(17.f)};
  m.shape = {2, 3};
  return m;
}

const std::vector<std::string> model_paths = {
    "first.weight", "first.bias",  "layers[0].weight", "layers[0].bias", "layers[1].weight", "layers[1].bias",
    "pair[0]",      "pair[1]",     "named[\"a\"]",     "named[\"b\"]",   "both[0]",          "labelled[0]",
    "maybe",        "hidden.mask", "mean.value"};

double first_value(const Array& x) { return x.to_vector<float>()[0]; }

}  // namespace

template <>
inline constexpr bool tree::is_buffer<Buffer> = true;

namespace {

TEST(Tree, PathsFollowTheDeclaration) {
  EXPECT_EQ(tree::paths(make_model()), model_paths);
  EXPECT_EQ(tree::paths(array(1.f)), std::vector<std::string>{""});
  EXPECT_EQ(tree::paths(std::vector<Model>{make_model()})[2], "[0].layers[0].weight");
  EXPECT_EQ(tree::leaf_count(make_model()), static_cast<int>(model_paths.size()));
}

TEST(Tree, FlattenAndUnflattenAreInverse) {
  const Model m = make_model();
  std::vector<Array> leaves = tree::flatten(m);
  ASSERT_EQ(leaves.size(), model_paths.size());
  EXPECT_EQ(first_value(leaves[0]), 1);
  EXPECT_EQ(first_value(leaves[4]), 3);
  EXPECT_EQ(first_value(leaves[8]), 12);  // keys in order
  const Model same = tree::unflatten(m, leaves);
  for (size_t i = 0; i < leaves.size(); ++i) EXPECT_EQ(tree::flatten(same)[i].node(), leaves[i].node()) << i;
  EXPECT_EQ(tree::structure(same), tree::structure(m));
  for (size_t i = 0; i < leaves.size(); ++i) leaves[i] = array(static_cast<float>(i) + 100);
  const Model other = tree::unflatten(m, leaves);
  EXPECT_EQ(first_value(other.layers[1].bias), 105);
  EXPECT_EQ(first_value(*other.maybe), 112);
  EXPECT_EQ(first_value(m.layers[1].bias), 3) << "the original is unchanged";
}

TEST(Tree, LocalTypesHaveFieldNames) {
  struct Inner {
    Array q;
  };
  struct Outer {
    Inner one, two_2;
  };
  EXPECT_EQ(tree::paths(Outer{}), (std::vector<std::string>{"one.q", "two_2.q"}));
}

TEST(Tree, UnflattenCountsLeaves) {
  const std::vector<Array> leaves(3);
  EXPECT_EQ(test::error_of([&] { (void)tree::unflatten(Linear{}, leaves); }, ErrorKind::value, "tree-leaf-count"),
            "tree::unflatten: a tree of 2 arrays and 3 leaves: wanted as many leaves as the tree has arrays");
  EXPECT_EQ(test::error_of([&] { (void)tree::unflatten(Linear{}, {}); }, ErrorKind::value, "tree-leaf-count"),
            "tree::unflatten: a tree of 2 arrays and 0 leaves: wanted as many leaves as the tree has arrays");
}

TEST(Tree, MapKeepsUndefinedLeavesAndStatics) {
  Model m = make_model();
  m.first.bias = Array();
  const Model doubled = tree::map([](const Array& a, const Array& b) { return a + b; }, m, m);
  EXPECT_FALSE(doubled.first.bias.defined());
  EXPECT_EQ(first_value(doubled.layers[0].weight), 4);
  EXPECT_EQ(doubled.first.in, 2);
  EXPECT_EQ(std::get<1>(doubled.labelled), "text");
}

TEST(Tree, MapGivesUndefinedLeavesOfOtherTrees) {
  const Linear x = make_linear(1), gradient = {2, 1, array({5.f, 5.f}), {}};
  const Linear y = tree::map([](const Array& a, const Array& g) { return g.defined() ? a - g : a; }, x, gradient);
  EXPECT_EQ(y.weight.to_vector<float>(), (std::vector<float>{-4, -3}));
  EXPECT_EQ(y.bias.node(), x.bias.node());
}

TEST(Tree, MapWithPathNamesLeaves) {
  std::vector<std::string> seen;
  const auto remember = [&](const std::string& path, const Array& x) {
    seen.push_back(path);
    return x;
  };
  (void)tree::map_with_path(remember, make_model());
  EXPECT_EQ(seen, model_paths);
}

TEST(Tree, ForEachAssigns) {
  Model m = make_model();
  tree::for_each(m, [](const std::string& path, Array& x) {
    if (path == "layers[1].bias") x = array(7.f);
  });
  EXPECT_EQ(first_value(m.layers[1].bias), 7);
  int count = 0;
  tree::for_each(std::as_const(m), [&](const std::string&, const Array&) { ++count; });
  EXPECT_EQ(count, 15);
}

TEST(Tree, MapNamesTheFirstDifference) {
  const auto difference = [](auto change) {
    Model a = make_model(), b = make_model();
    change(b);
    const auto first = [](const Array& x, const Array&) { return x; };
    return test::error_of([&] { (void)tree::map(first, a, b); }, ErrorKind::value, "tree-structure");
  };
  const auto text = [](const std::string& what) {
    return "tree::map: tree 1 differs from tree 0 at " + what + ": wanted trees of equal structure";
  };
  EXPECT_EQ(difference([](Model& m) { m.layers.pop_back(); }), text("layers: 2 elements, not 1 element"));
  EXPECT_EQ(difference([](Model& m) {
              m.named.erase("b");
              m.named["c"];
            }),
            text("named[\"b\"]: the other tree has named[\"c\"]"));
  EXPECT_EQ(difference([](Model& m) { m.maybe.reset(); }), text("maybe: a value, not no value"));
  EXPECT_EQ(difference([](Model& m) { m.layers[1].in = 9; }), text("layers[1].in: 2, not 9"));
  EXPECT_EQ(difference([](Model& m) { m.labelled.second = "x"; }), text("labelled[1]: 'text', not 'x'"));
  EXPECT_EQ(difference([](Model& m) { m.mode = Mode::fast; }), text("mode: Mode(0), not Mode(1)"));
  EXPECT_EQ(difference([](Model& m) { m.hidden = Hidden(0.25); }), text("hidden.rate: 0.5, not 0.25"));
  EXPECT_EQ(difference([](Model& m) { std::get<1>(m.both) = false; }), text("both[1]: true, not false"));
  EXPECT_EQ(difference([](Model& m) { m.function = [](double x) { return x; }; }),
            text("function: function, not an equal one"));
  EXPECT_EQ(difference([](Model& m) { m.shape = {3, 2}; }), text("shape: Shape, not an equal one"));
}

TEST(Tree, StructuresCompareHashAndPrint) {
  const auto s = tree::structure(make_model());
  EXPECT_EQ(s, tree::structure(make_model()));
  EXPECT_EQ(s.hash(), tree::structure(make_model()).hash());
  EXPECT_EQ(s.leaf_count(), 15);
  EXPECT_EQ(s.paths(), model_paths);
  EXPECT_EQ(s.difference(s), "");
  const std::string linear = "Linear{in: 2, out: 1, weight: *, bias: *}";
  EXPECT_EQ(
      to_string(s),
      "Model{first: " + linear + ", layers: [" + linear + ", " + linear +
          "], pair: [*, *], named: "
          "{\"a\": *, \"b\": *}, both: (*, true), labelled: (*, 'text'), maybe: *, act: Relu{}, hidden: Hidden{rate: "
          "0.5, "
          "mask: *}, mean: Buffer{value: *}, mode: Mode(0), function: function, shape: Shape}");
  EXPECT_EQ(to_string(tree::structure(std::optional<Array>())), "none");
  Model other = make_model();
  other.layers[0].out = 3;
  EXPECT_FALSE(s == tree::structure(other));
  EXPECT_NE(s.hash(), tree::structure(other).hash());
  EXPECT_FALSE(tree::structure(std::vector<Array>(2)) == tree::structure(std::array<Array, 3>()));
}

TEST(Tree, NumbersCompareByTheirBits) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(tree::structure(std::vector{nan}), tree::structure(std::vector{nan}));
  EXPECT_FALSE(tree::structure(std::vector{0.0}) == tree::structure(std::vector{-0.0}));
}

TEST(Tree, PartitionAndMergeAreInverse) {
  const Model m = make_model();
  const auto is_bias = [](const std::string& path) { return path.ends_with("bias"); };
  const auto [biases, rest] = tree::partition(m, is_bias);
  EXPECT_TRUE(biases.layers[1].bias.defined());
  EXPECT_FALSE(biases.layers[1].weight.defined());
  EXPECT_FALSE(rest.layers[1].bias.defined());
  EXPECT_TRUE(rest.layers[1].weight.defined());
  const Model again = tree::merge(biases, rest);
  for (size_t i = 0; i < 15; ++i) EXPECT_EQ(tree::flatten(again)[i].node(), tree::flatten(m)[i].node());
  EXPECT_EQ(test::error_of([&] { (void)tree::merge(m, biases); }, ErrorKind::value, "tree-merge"),
            "tree::merge: first.bias f32[] is defined in both trees: wanted it in one of them");
}

TEST(Tree, BuffersAreNotTrainable) {
  const std::vector<bool> flags = tree::trainable(make_model());
  ASSERT_EQ(flags.size(), 15u);
  for (size_t i = 0; i < 14; ++i) EXPECT_TRUE(flags[i]) << i;
  EXPECT_FALSE(flags[14]);
}

// Members that Boost.PFR's own count makes g++ 12 crash at.
struct Lists {
  std::vector<Array> vector{ones({2}), ones({3})};
  std::map<std::string, Array> map{{"a", ones({4})}};
  std::array<Array, 2> array;
  int number = 3;
  Array last = ones({5});
};

TEST(Tree, MembersThatAreListed) {
  Lists lists;
  lists.array = {ones({6}), ones({7})};
  std::vector<int64_t> sizes;
  for (const Array& x : tree::flatten(lists)) sizes.push_back(x.size());
  EXPECT_EQ(sizes, (std::vector<int64_t>{2, 3, 4, 6, 7, 5}));
}

TEST(Tree, EmptyTrees) {
  EXPECT_EQ(tree::flatten(std::tuple<>()).size(), 0u);
  EXPECT_EQ(tree::flatten(std::vector<Array>()).size(), 0u);
  EXPECT_EQ(tree::flatten(Relu{}).size(), 0u);
  EXPECT_EQ(tree::flatten(3.0).size(), 0u);
  EXPECT_EQ(tree::unflatten(std::vector<int>{1, 2}, {}), (std::vector<int>{1, 2}));
}

}  // namespace
}  // namespace wengert
