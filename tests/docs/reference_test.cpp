// docs/reference.md: its tables of dtypes against what the library gives, and the models that it shows.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "wengert/wengert.hpp"

namespace wg = wengert;

namespace models {

struct Net {
  wg::nn::Linear first{784, 128}, last{128, 10};
  wg::nn::Dropout dropout{0.2};

  wg::Array operator()(const wg::Array& x, wg::nn::Context& context) const {
    return last(dropout(wg::relu(first(x)), context));
  }
};

struct Deep {
  std::vector<wg::nn::Linear> layers = {{4, 8}, {8, 2}};

  wg::Array operator()(const wg::Array& x) const { return layers[1](wg::relu(layers[0](x))); }
};

struct Counter {
  wg::nn::Buffer calls{wg::full({}, 0)};

  wg::Array operator()(const wg::Array& x, wg::nn::Context& context) const {
    context.update(calls, context.value(calls) + 1);
    return x;
  }
};

TEST(Reference, CounterThatItShowsCounts) {
  const wg::Array x = wg::ones({3});
  const auto [y, once] = wg::nn::apply(Counter{}, x);
  const auto [z, twice] = wg::nn::apply(once, y);
  EXPECT_EQ(once.calls.value.item<int64_t>(), 1);
  EXPECT_EQ(twice.calls.value.item<int64_t>(), 2);
}

TEST(Reference, ModelsThatItShowsRun) {
  const wg::Array x = wg::ones({3, 784});
  const Net net = wg::nn::init(Net{}, wg::random::key(0));
  const auto [logits, updated] = wg::nn::apply(net, x, {.training = true, .key = wg::random::key(1)});
  EXPECT_EQ(logits.shape(), (wg::Shape{3, 10}));
  const Deep deep = wg::nn::init(Deep{}, wg::random::key(0));
  const Deep gradient = wg::grad([](const Deep& d) { return wg::sum(d(wg::ones({3, 4}))); })(deep);
  EXPECT_EQ(gradient.layers[0].weight.shape(), (wg::Shape{4, 8}));
}

TEST(Reference, ProgramIsReadFromItsTextAndConstants) {
  const wg::Array w = wg::random::normal(wg::random::key(0), {20, 30});
  const wg::ProgramPtr program =
      wg::make_program([&](const wg::Array& x) { return wg::matmul(x, w); })(wg::ones({2, 20}));
  const std::string text = wg::to_string(*program);
  const wg::ProgramPtr read = wg::parse_program(text, std::vector{w});  // or program->constants()
  const wg::Array y = wg::run(*read, {wg::ones({2, 20})})[0];
  EXPECT_TRUE(wg::allclose(y, wg::matmul(wg::ones({2, 20}), w)));
  EXPECT_TRUE(*wg::parse_program(text, program->constants()) == *program);
  EXPECT_NE(text.find(":f32[20,30])"), std::string::npos) << text;
  EXPECT_THROW(wg::parse_program(text), wg::Error);
  EXPECT_NO_THROW(wg::verify(*read));
}

TEST(Reference, SchedulesAreCalledAsItSays) {
  const wg::Array x = wg::ones({3});
  EXPECT_EQ(wg::optim::cosine(0.1, 1000)(wg::full({}, 500)).dtype(), wg::float64);
  EXPECT_NEAR(wg::optim::cosine(0.1, 1000)(wg::full({}, 500)).item<double>(), 0.05, 1e-12);
  const auto adam = wg::optim::adam(wg::optim::Schedule([](const wg::Array& step) {
    EXPECT_EQ(step.dtype(), wg::int64);
    EXPECT_EQ(step.rank(), 0);
    return 0.1 / (1.0 + step);
  }));
  const std::pair updated = adam.update(x, adam.init(x), x);
  EXPECT_NEAR(updated.first.to_vector<float>()[0], 0.9, 1e-4);
}

template <class T, class U>
constexpr bool same = std::is_same_v<T, U>;

TEST(Reference, TypesOfResultsAreThoseThatItNames) {
  using wg::Array;
  const Array x = wg::ones({3}), one = wg::array(1.0f);
  const auto f = [](const Array& a, const Array& b) { return wg::sum(wg::tanh(a) * b); };
  const auto g = [](const Array& a) { return wg::sum(a); };
  EXPECT_TRUE((same<decltype(wg::grad(f)(x, x)), Array>));
  EXPECT_TRUE((same<decltype(wg::grad<0, 1>(f)(x, x)), std::tuple<Array, Array>>));
  EXPECT_TRUE((same<decltype(wg::value_and_grad(f)(x, x)), std::pair<Array, Array>>));
  EXPECT_TRUE((same<decltype(wg::jvp(g, x, x)), std::pair<Array, Array>>));
  EXPECT_TRUE((same<decltype(wg::vjp(f, x, x).pullback(one)), std::tuple<Array, Array>>));
  const auto linearized = wg::linearize(g, x);
  EXPECT_TRUE((same<decltype(linearized.outputs), Array>));
  EXPECT_TRUE((same<decltype(linearized.linear(x)), Array>));
  EXPECT_TRUE((same<decltype(linearized.linear.transpose(one)), Array>));
  EXPECT_TRUE((same<decltype(linearized.linear.program()), const wg::ProgramPtr&>));
  EXPECT_TRUE((same<decltype(wg::linear_transpose(g, x)(one)), Array>));
  EXPECT_EQ(wg::hessian(f)(x, x).shape(), (wg::Shape{3, 3}));
  EXPECT_TRUE((same<decltype(wg::hvp(f, std::tuple{x, x}, std::tuple{x, x})), std::tuple<Array, Array>>));
  EXPECT_TRUE((same<decltype(wg::make_program(g)(x)), std::shared_ptr<const wg::Program>>));
  EXPECT_TRUE((same<decltype(wg::run(*wg::make_program(g)(x), {x})), std::vector<Array>>));
  EXPECT_TRUE((same<decltype(wg::random::split(wg::random::key(0))), std::vector<Array>>));
  EXPECT_TRUE((same<decltype(wg::split(x, 3)), std::vector<Array>>));
  EXPECT_TRUE((same<decltype(wg::tree::paths(x)), std::vector<std::string>>));
  EXPECT_TRUE((same<decltype(wg::tree::leaf_count(x)), int>));
  EXPECT_TRUE((same<decltype(wg::tree::trainable(x)), std::vector<bool>>));
  EXPECT_TRUE((same<decltype(wg::nn::predicted_classes(x)), std::vector<int64_t>>));
  EXPECT_TRUE((same<decltype(wg::nn::count_correct(x, x)), int64_t>));
  EXPECT_TRUE((same<decltype(wg::nn::apply(Deep{}, x)), std::pair<Array, Deep>>));
  EXPECT_TRUE((same<decltype(wg::nn::summary(Deep{})), std::string>));
  EXPECT_TRUE((same<decltype(wg::optim::global_norm(x)), Array>));
  EXPECT_TRUE((same<decltype(wg::io::read_npz("")), std::map<std::string, Array>>));
  EXPECT_TRUE((same<decltype(x.span<float>()), std::span<const float>>));
  const Array square = wg::reshape(wg::arange(20), {4, 5});
  EXPECT_EQ(wg::dynamic_slice(square, {wg::array(1), wg::array(2)}, {2, 3}).shape(), (wg::Shape{2, 3}));
}

}  // namespace models

namespace wengert {
namespace {

/// The cells of the table that follows the comment <!-- NAME -->, its head included, without the quotes of code.
std::vector<std::vector<std::string>> table(const std::string& name) {
  std::ifstream page(std::string(WENGERT_SOURCE_DIR) + "/docs/reference.md");
  std::vector<std::vector<std::string>> rows;
  std::string line;
  while (std::getline(page, line) && line != "<!-- " + name + " -->") continue;
  while (std::getline(page, line) && line.starts_with("|")) {
    std::vector<std::string> cells;
    std::istringstream text(line.substr(1));
    for (std::string cell; std::getline(text, cell, '|');) {
      std::erase(cell, '`');
      const size_t begin = cell.find_first_not_of(' ');
      cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, cell.find_last_not_of(' ') + 1 - begin));
    }
    if (!line.starts_with("| ---")) rows.push_back(cells);
  }
  return rows;
}

TEST(Reference, TableOfPromotionIsWhatAdditionGives) {
  const auto rows = table("promotion");
  ASSERT_EQ(rows.size(), 7u);
  for (size_t i = 1; i < rows.size(); ++i) {
    ASSERT_EQ(rows[i].size(), 7u);
    for (size_t j = 1; j < 7; ++j) {
      const Dtype a = dtype_from_name(rows[i][0]), b = dtype_from_name(rows[0][j]);
      EXPECT_EQ(rows[i][j], name(promote(a, false, b, false))) << rows[i][0] << ", " << rows[0][j];
      EXPECT_EQ(rows[i][j], name(maximum(ones({2}, a), ones({2}, b)).dtype())) << rows[i][0] << ", " << rows[0][j];
    }
  }
}

TEST(Reference, TableOfExpressionsIsWhatTheyGive) {
  const Array b = ones({2}, bool_), u = ones({2}, uint8), i = ones({2}, int32), l = ones({2}, int64);
  const Array f = ones({2}, float32), d = ones({2}, float64);
#define WENGERT_EXPRESSION(...) {#__VA_ARGS__, [&] { return (__VA_ARGS__).dtype(); }}
  const std::map<std::string, std::function<Dtype()>> expressions = {
      WENGERT_EXPRESSION(array({1, 2})),
      WENGERT_EXPRESSION(array({1.5, 2.5})),
      WENGERT_EXPRESSION(array({1.5f, 2.5f})),
      WENGERT_EXPRESSION(full({2}, 1.5)),
      WENGERT_EXPRESSION(full({2}, 1)),
      WENGERT_EXPRESSION(zeros({2})),
      WENGERT_EXPRESSION(arange(3)),
      WENGERT_EXPRESSION(f * 2.5),
      WENGERT_EXPRESSION(u + 1),
      WENGERT_EXPRESSION(i * 2.5),
      WENGERT_EXPRESSION(b + 1),
      WENGERT_EXPRESSION(f * array(2.5)),
      WENGERT_EXPRESSION(l * f),
      WENGERT_EXPRESSION(i / i),
      WENGERT_EXPRESSION(d / i),
      WENGERT_EXPRESSION(floor_divide(i, i)),
      WENGERT_EXPRESSION(power(i, 2)),
      WENGERT_EXPRESSION(sum(b)),
      WENGERT_EXPRESSION(sum(u)),
      WENGERT_EXPRESSION(sum(f)),
      WENGERT_EXPRESSION(prod(i)),
      WENGERT_EXPRESSION(mean(l)),
      WENGERT_EXPRESSION(max(i)),
      WENGERT_EXPRESSION(argmax(f)),
      WENGERT_EXPRESSION(exp(l)),
      WENGERT_EXPRESSION(exp(d)),
      WENGERT_EXPRESSION(relu(i)),
      WENGERT_EXPRESSION(f < i),
      WENGERT_EXPRESSION(where(b, i, f)),
      WENGERT_EXPRESSION(matmul(i, i)),
      WENGERT_EXPRESSION(i.astype(float64)),
  };
#undef WENGERT_EXPRESSION
  std::set<std::string> listed;
  const auto rows = table("dtypes");
  for (size_t k = 1; k < rows.size(); ++k) {
    ASSERT_GE(rows[k].size(), 2u);
    const auto found = expressions.find(rows[k][0]);
    ASSERT_NE(found, expressions.end()) << rows[k][0];
    EXPECT_EQ(rows[k][1], name(found->second())) << rows[k][0];
    listed.insert(rows[k][0]);
  }
  EXPECT_EQ(listed.size(), expressions.size());
}

TEST(Reference, ErrorsOfDtypesAreThoseThatItNames) {
  const Array b = ones({2}, bool_), u = ones({2}, uint8);
  for (const std::function<void()>& wrong :
       std::vector<std::function<void()>>{[&] { b + b; }, [&] { -b; }, [&] { matmul(b, b); }}) {
    try {
      wrong();
      ADD_FAILURE();
    } catch (const Error& error) { EXPECT_EQ(error.kind(), ErrorKind::dtype); }
  }
  EXPECT_THROW(u + 300, Error);
}

}  // namespace
}  // namespace wengert
