// oneDNN against our own kernels, and what it does to the process.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <random>
#include <thread>

#include "tests/sanitizers.hpp"
#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/kernels.hpp"
#include "wengert/backends/cpu/onednn.hpp"
#include "wengert/backends/cpu/threads.hpp"
#include "wengert/ops/conv_geometry.hpp"
#include "wengert/program/observer.hpp"
#include "wengert/trace/bind.hpp"
#include "wengert/wengert.hpp"

namespace wg = wengert;
using wg::Array;
using wg::Shape;

namespace {

Array random_array(const Shape& shape, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(static_cast<size_t>(shape.size()));
  for (float& v : values) v = uniform(engine);
  return wg::array(values, shape);
}

class Threads {
 public:
  explicit Threads(int count) : saved_(wg::cpu::threads()) { wg::cpu::set_threads(count); }
  ~Threads() { wg::cpu::set_threads(saved_); }

 private:
  int saved_;
};

void expect_near(const Array& a, const Array& b, float tolerance) {
  ASSERT_TRUE(a.shape() == b.shape());
  const auto x = a.to_vector<float>(), y = b.to_vector<float>();
  for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], y[i], tolerance * (1 + std::fabs(y[i]))) << "element " << i;
}

class OneDnn : public testing::Test {
 protected:
  void SetUp() override {
    if (!wg::cpu::onednn::library()) GTEST_SKIP() << "no oneDNN: not installed, or WENGERT_ONEDNN=off";
  }
};

TEST_F(OneDnn, AgreesWithOurKernels) {
  for (int threads : {1, 2}) {
    const Threads scope(threads);
    for (int64_t m : {2, 17, 64, 130, 300})
      for (int64_t k : {2, 17, 64, 130})
        for (int64_t n : {2, 17, 64, 130, 300}) {
          const Array a = random_array({m, k}, 1), b = random_array({k, n}, 2),
                      at = wg::transpose(random_array({k, m}, 3)), bt = wg::transpose(random_array({n, k}, 4));
          for (const Array& x : {a, at})
            for (const Array& y : {b, bt}) {
              const Array got = wg::matmul(x, y);
              const wg::cpu::KernelScope ours;
              SCOPED_TRACE(testing::Message() << m << " " << k << " " << n << " threads " << threads);
              expect_near(got, wg::matmul(x, y), 1e-5f);
            }
        }
  }
}

TEST_F(OneDnn, TakesProductsOfFloat32) {
  int kernels = 0;
  wg::cpu::set_kernel_observer([&](std::string_view) { ++kernels; });
  const Array a = random_array({71, 67}, 1);
  wg::matmul(a, wg::transpose(a));
  EXPECT_EQ(kernels, 0);
  {
    const wg::cpu::KernelScope ours;
    wg::matmul(a, wg::transpose(a));
    EXPECT_EQ(kernels, 1);
  }
  wg::cpu::set_kernel_observer({});
}

TEST_F(OneDnn, CopiesWhatItCannotRead) {
  const Array a = random_array({6, 5, 7}, 1), b = random_array({5, 8, 7}, 2), c = random_array({7, 6, 5}, 3);
  const auto all = [&] {
    return std::vector<Array>{wg::tensordot(a, b, {1, 2}, {0, 2}), wg::tensordot(b, a, {0, 2}, {1, 2}),
                              wg::tensordot(a, c, {1, 2}, {2, 0}),
                              wg::matmul(wg::broadcast_to(random_array({1}, 4), {6, 5}), random_array({5, 9}, 5))};
  };
  const std::vector<Array> got = all();
  const wg::cpu::KernelScope ours;
  const std::vector<Array> expected = all();
  for (size_t i = 0; i < got.size(); ++i) expect_near(got[i], expected[i], 1e-5f);
}

TEST_F(OneDnn, WalksThroughStacks) {
  for (int threads : {1, 2}) {
    const Threads scope(threads);
    const Array a = random_array({3, 5, 7, 9}, 1), b = random_array({3, 5, 9, 4}, 2), c = random_array({5, 9, 3, 8}, 3);
    const auto heads = wg::transpose(c, {2, 0, 1, 3});  // [3,5,9,8], not contiguous
    const Array got = wg::matmul(a, b), got_heads = wg::matmul(a, heads),
                got_spread = wg::matmul(a, random_array({1, 5, 9, 4}, 5));
    const wg::cpu::KernelScope ours;
    expect_near(got, wg::matmul(a, b), 1e-5f);
    expect_near(got_heads, wg::matmul(a, heads), 1e-5f);
    expect_near(got_spread, wg::matmul(a, random_array({1, 5, 9, 4}, 5)), 1e-5f);
  }
}

TEST_F(OneDnn, GivesTheSameBitsOnEveryRun) {
  const Array a = random_array({257, 300}, 1), b = random_array({300, 191}, 2);
  for (int threads : {1, 2}) {
    const Threads scope(threads);
    const auto first = wg::matmul(a, b).to_vector<float>();
    for (int i = 0; i < 20; ++i) ASSERT_EQ(first, wg::matmul(a, b).to_vector<float>());
  }
}

struct ConvCase {
  const char* name;
  int64_t images, channels, height, width, outputs;
  wg::Axes kernel, stride, padding, dilation;
  int64_t groups;

  wg::Params params() const {
    return {stride, padding, dilation, groups, wg::Axes{height, width}, kernel, wg::float32, std::string("highest")};
  }
};

/// Some of so many images that two threads share them, in parts of unequal length.
const ConvCase conv_cases[] = {
    {"1x1", 19, 19, 9, 7, 24, {1, 1}, {1, 1}, {0, 0}, {1, 1}, 1},
    {"1x1, stride 2", 4, 32, 11, 8, 16, {1, 1}, {2, 2}, {0, 0}, {1, 1}, 1},
    {"3x3", 3, 16, 10, 11, 32, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1},
    {"3x3, stride 2", 19, 8, 13, 9, 12, {3, 3}, {2, 2}, {1, 1}, {1, 1}, 1},
    {"many channels", 2, 160, 6, 5, 192, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1},
    {"one image, one channel", 1, 1, 14, 15, 6, {5, 5}, {1, 1}, {2, 2}, {1, 1}, 1},
    {"oblong and dilated", 3, 5, 12, 14, 7, {3, 2}, {1, 2}, {2, 0}, {2, 3}, 1},
    {"padded beyond the kernel", 2, 4, 5, 6, 8, {2, 2}, {1, 1}, {3, 4}, {1, 1}, 1},
    {"depthwise", 35, 24, 9, 8, 24, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 24},
    {"depthwise, two outputs to a channel", 3, 10, 9, 8, 20, {3, 3}, {2, 2}, {1, 1}, {1, 1}, 10},
    {"groups", 13, 12, 9, 8, 18, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 3},
};

Array random_images(const Shape& shape, unsigned seed) {  // channels-last, as oneDNN wants them
  return wg::transpose(random_array({shape[0], shape[2], shape[3], shape[1]}, seed), {0, 3, 1, 2});
}

/// A convolution and its two derivatives, by name.
struct Convolutions {
  explicit Convolutions(const ConvCase& k)
      : params(k.params()), x(random_images({k.images, k.channels, k.height, k.width}, 1)),
        w(random_array({k.outputs, k.channels / k.groups, k.kernel[0], k.kernel[1]}, 2)),
        ct(random_images({k.images, k.outputs, wg::ConvGeometry(params).out(0), wg::ConvGeometry(params).out(1)}, 3)) {}

  Array compute(const wg::Primitive& primitive) const {
    if (&primitive == &wg::conv_primitive) return wg::bind(primitive, x, w, params);
    if (&primitive == &wg::conv_input_primitive) return wg::bind(primitive, ct, w, params);
    return wg::bind(primitive, x, ct, params);
  }

  wg::Params params;
  Array x, w, ct;
};

const wg::Primitive* const conv_primitives[] = {&wg::conv_primitive, &wg::conv_input_primitive,
                                                &wg::conv_kernel_primitive};

/// Counts the kernels that are asked for: none by what oneDNN takes as it is.
class KernelCount {
 public:
  KernelCount() {
    wg::cpu::set_kernel_observer([this](std::string_view) { ++count_; });
  }
  ~KernelCount() { wg::cpu::set_kernel_observer({}); }
  int count() const { return count_; }

 private:
  int count_ = 0;
};

TEST_F(OneDnn, TakesConvolutionsOfFloat32AndAgreesWithOurKernels) {
  for (const ConvCase& k : conv_cases) {
    const Convolutions convolutions(k);
    for (const wg::Primitive* primitive : conv_primitives) {
      SCOPED_TRACE(testing::Message() << k.name << ", " << primitive->name);
      std::optional<Array> ours;
      {
        const wg::cpu::KernelScope scope;
        const KernelCount kernels;
        ours = convolutions.compute(*primitive);
        EXPECT_GE(kernels.count(), 1);
      }
      for (int threads : {1, 2}) {
        const Threads scope(threads);
        const KernelCount kernels;
        const Array got = convolutions.compute(*primitive);
        EXPECT_EQ(kernels.count(), 0);
        expect_near(got, *ours, 5e-5f);
      }
    }
  }
}

TEST_F(OneDnn, ConvolutionsGiveTheSameBitsOnEveryRun) {
  for (const ConvCase& k : conv_cases) {
    const Convolutions convolutions(k);
    for (const wg::Primitive* primitive : conv_primitives) {
      for (int threads : {1, 2}) {
        const Threads scope(threads);
        const auto first = convolutions.compute(*primitive).to_vector<float>();
        for (int i = 0; i < 10; ++i)
          ASSERT_EQ(first, convolutions.compute(*primitive).to_vector<float>()) << k.name << ", " << primitive->name;
      }
    }
  }
}

TEST(OneDnnSetting, IsOffUnderTheThreadSanitizer) {
  if (!wg::test::thread_sanitized) GTEST_SKIP() << "built without it";
  EXPECT_EQ(wg::cpu::onednn::library(), nullptr) << "ctest sets WENGERT_ONEDNN=off";
}

TEST_F(OneDnn, WorksInAForkedChild) {
  const Threads scope(2);
  const Array a = random_array({256, 256}, 1);
  const auto before = wg::matmul(a, a).to_vector<float>();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    ::_exit(wg::matmul(a, a).to_vector<float>() == before ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
}

// oneDNN's products use the stack pointer as a pointer to data: a handler that ran on it wrote over the heap.
TEST_F(OneDnn, LeavesSignalHandlersTheirStack) {
  const Array a = random_array({300, 256}, 1), b = random_array({256, 128}, 2),
              bt = wg::transpose(random_array({128, 256}, 3));
  const Array x = random_array({8, 16, 14, 14}, 4), k = random_array({16, 16, 3, 3}, 5);
  const auto compute = [&] {
    std::vector<std::vector<float>> results;
    for (const Array& y :
         {wg::matmul(a, b), wg::matmul(a, bt), wg::matmul(wg::transpose(b), wg::transpose(a)), wg::conv2d(x, k)}) {
      results.push_back(y.to_vector<float>());
    }
    return results;
  };
  const auto before = compute();
  const pid_t child = ::fork();
  if (child == 0) {
    static std::atomic<int> calls = 0;
    struct sigaction action = {};
    action.sa_handler = [](int) { ++calls; };
    ::sigaction(SIGALRM, &action, nullptr);
    const itimerval often = {{0, 100}, {0, 100}};  // microseconds
    ::setitimer(ITIMER_REAL, &often, nullptr);
    bool right = true;
    while (calls < 1000) right = right && compute() == before;
    ::_exit(right ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
}

TEST_F(OneDnn, LeavesTheThreadsOfOpenMpAlone) {
  const auto* library = wg::cpu::onednn::library();
  library->set_num_threads(3);
  const Array a = random_array({64, 64}, 1);
  wg::matmul(a, a);
  EXPECT_EQ(library->get_max_threads(), 3);
  library->set_num_threads(1);
}

/// A convolution of a size of its own for every number, of kernels that fit on it.
bool convolves(int64_t number) {
  const int64_t height = 8 + number % 64, width = 8 + number / 64 % 64;
  return wg::conv2d(wg::ones({2, 8, height, width}), wg::ones({8, 8, 3, 3})).shape() ==
      Shape{2, 8, height - 2, width - 2};
}

/// How a child ended: by itself, or by our hand after 20 s. Its own alarm would not do: signals wait inside oneDNN.
std::string end_of(pid_t child) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > limit) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      return "hung";
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return !WIFEXITED(status) ? "died" : WEXITSTATUS(status) == 0 ? "well" : "wrong";
}

// A suite of its own, so that ctest runs it where oneDNN is not loaded yet: the first children meet its loading.
TEST(OneDnnFork, ChildrenConvolveWhateverOtherThreadsWereMaking) {
  if (wg::test::sanitized) GTEST_SKIP() << "its threads do not survive a fork";
  std::atomic<bool> stop = false;
  std::atomic<int64_t> next = 1;
  std::thread other([&] {
    while (!stop) convolves(next++);
  });
  for (int i = 0; i < 40 && !testing::Test::HasFailure(); ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      wg::set_program_observer(nullptr);  // the tests' own has a lock
      ::_exit(convolves(next) && convolves(next - 1) && convolves(4095 - i) ? 0 : 1);
    }
    EXPECT_EQ(end_of(child), "well") << "fork " << i;
  }
  stop = true;
  other.join();
}

bool multiplies(int64_t n) {
  const Array product = wg::matmul(wg::full({n, 64}, 0.5f), wg::full({64, n}, 2.0f));
  return product.to_vector<float>() == std::vector<float>(static_cast<size_t>(n * n), 64);
}

/// The first product makes code for all: who forked in the middle of it would leave a child that waits for it.
TEST(OneDnnFork, ChildrenMultiplyWhileAnotherThreadBeginsTo) {
  if (wg::test::sanitized) GTEST_SKIP() << "its threads do not survive a fork";
  std::atomic<bool> begun = false;
  std::thread other([&] {
    begun = true;
    for (int64_t n = 40; n < 80; ++n) multiplies(n);
  });
  while (!begun) std::this_thread::yield();
  std::vector<pid_t> children;
  for (int i = 0; i < 30; ++i) {  // over the time that the first product takes
    children.push_back(::fork());
    if (children.back() == 0) {
      wg::set_program_observer(nullptr);  // the tests' own has a lock
      ::_exit(multiplies(39) ? 0 : 1);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  for (const pid_t child : children) EXPECT_EQ(end_of(child), "well");
  other.join();
}

TEST(OneDnnFork, WaitsForCallsThatAreUnderWay) {
  const auto* library = wg::cpu::onednn::library();
  if (!library) GTEST_SKIP() << "no oneDNN";
  std::atomic<bool> begun = false, ended = false;
  std::thread other([&] {
    const wg::cpu::onednn::OneThread call(*library);
    begun = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    ended = true;
  });
  while (!begun) std::this_thread::yield();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  EXPECT_TRUE(ended);
  EXPECT_EQ(end_of(child), "well");
  other.join();
}

/// Later products lock mutexes of oneDNN too.
TEST(OneDnnFork, ChildrenMultiplyWhileOtherThreadsDo) {
  if (wg::test::sanitized) GTEST_SKIP() << "its threads do not survive a fork";
  multiplies(38);
  std::atomic<bool> stop = false;
  std::vector<std::thread> others;
  for (int i = 0; i < 3; ++i) {
    others.emplace_back([&stop, i] {
      for (int64_t n = 33 + i; !stop; n = 33 + (n + 2) % 8) multiplies(n);
    });
  }
  for (int i = 0; i < 100 && !testing::Test::HasFailure(); ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      wg::set_program_observer(nullptr);  // the tests' own has a lock
      ::_exit(multiplies(33 + i % 8) ? 0 : 1);
    }
    EXPECT_EQ(end_of(child), "well") << "fork " << i;
  }
  stop = true;
  for (std::thread& other : others) other.join();
}

}  // namespace
