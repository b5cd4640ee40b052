#include "wengert/backends/cpu/disk_cache.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <thread>
#include <utility>

#include "tests/backends/kernel_testing.hpp"
#include "tests/errors.hpp"
#include "wengert/array/error.hpp"

namespace wengert::cpu {
namespace {

using namespace testing_kernels;

constexpr int64_t mebibyte = 1 << 20;

CompiledCode code_of(char letter, std::size_t size = 1000) { return {CodeForm::object, std::string(size, letter)}; }

/// The i-th of many keys.
KernelKey key_of(int i) { return kernel_key("entry " + std::to_string(i)); }

/// Makes an entry look as if it was last used so long ago.
void age(const std::string& path, time_t seconds) {
  const timespec time{std::time(nullptr) - seconds, 0};
  const timespec times[2] = {time, time};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

TEST(DiskCache, gives_back_what_was_written) {
  const Scratch scratch;
  DiskCache cache(scratch / "a/b/cache", mebibyte);
  ASSERT_TRUE(cache.usable());
  EXPECT_FALSE(cache.read(key_of(1)));
  cache.write(key_of(1), code_of('x'));
  cache.write(key_of(2), {CodeForm::shared_object, ""});
  DiskCache another(scratch / "a/b/cache", mebibyte);
  ASSERT_TRUE(another.read(key_of(1)));
  EXPECT_EQ(another.read(key_of(1))->bytes, std::string(1000, 'x'));
  EXPECT_EQ(another.read(key_of(1))->form, CodeForm::object);
  EXPECT_EQ(another.read(key_of(2))->bytes, "");
  EXPECT_EQ(another.read(key_of(2))->form, CodeForm::shared_object);
  cache.write(key_of(1), code_of('y'));
  EXPECT_EQ(another.read(key_of(1))->bytes, std::string(1000, 'y'));
  EXPECT_EQ(cache.usage().entries, 2);
  EXPECT_EQ(cache.usage().bytes, 1000 + 2 * 56);
}

TEST(DiskCache, folder_and_entries_are_for_the_user_alone) {
  const Scratch scratch;
  DiskCache cache(scratch / "a/cache", mebibyte);
  cache.write(key_of(1), code_of('x'));
  struct stat status;
  for (const std::string& folder : {scratch / "a", scratch / "a/cache"}) {
    ASSERT_EQ(::stat(folder.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u) << folder;
  }
  ASSERT_EQ(::stat((scratch / "a/cache/" + to_string(key_of(1)) + ".kernel").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(DiskCache, no_damaged_byte_is_believed_and_the_entry_goes) {
  const Scratch scratch;
  DiskCache cache(scratch / "cache", mebibyte);
  const std::string path = scratch / "cache/" + to_string(key_of(1)) + ".kernel";
  cache.write(key_of(1), code_of('x', 100));
  const std::string whole = read_text(path);
  ASSERT_EQ(whole.size(), 156u);
  const auto refused = [&](const std::string& bytes) {
    write_text(path, bytes);
    ::chmod(path.c_str(), 0600);
    return !cache.read(key_of(1)) && !fs::exists(path);
  };
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    EXPECT_TRUE(refused(bytes)) << at;
    EXPECT_TRUE(refused(whole.substr(0, at))) << at;
  }
  EXPECT_TRUE(refused(whole + '\0'));
  EXPECT_FALSE(refused(whole));
}

TEST(DiskCache, an_entry_under_another_name_is_not_believed) {
  const Scratch scratch;
  DiskCache cache(scratch / "cache", mebibyte);
  cache.write(key_of(1), code_of('x'));
  fs::rename(scratch / "cache/" + to_string(key_of(1)) + ".kernel",
             scratch / "cache/" + to_string(key_of(2)) + ".kernel");
  EXPECT_FALSE(cache.read(key_of(2)));
}

TEST(DiskCache, what_others_could_have_written_is_refused) {
  const Scratch scratch;
  DiskCache cache(scratch / "cache", mebibyte);
  const std::string path = scratch / "cache/" + to_string(key_of(1)) + ".kernel";
  for (mode_t mode : {0620, 0602, 0666}) {
    cache.write(key_of(1), code_of('x'));
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    EXPECT_FALSE(cache.read(key_of(1))) << mode;
    EXPECT_FALSE(fs::exists(path));
  }
  // Links, folders and pipes are no entries either, and none of them blocks.
  cache.write(key_of(1), code_of('x'));
  fs::rename(path, scratch / "elsewhere");
  fs::create_symlink(scratch / "elsewhere", path);
  EXPECT_FALSE(cache.read(key_of(1)));
  EXPECT_TRUE(fs::exists(scratch / "elsewhere"));
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_FALSE(cache.read(key_of(1)));
  fs::create_directory(path);
  EXPECT_FALSE(cache.read(key_of(1)));
}

TEST(DiskCache, a_foreign_entry_or_folder_is_refused) {
  if (::geteuid() != 0) return;  // only root can make one
  const Scratch scratch;
  {
    DiskCache cache(scratch / "cache", mebibyte);
    cache.write(key_of(1), code_of('x'));
    ASSERT_EQ(::chown((scratch / "cache/" + to_string(key_of(1)) + ".kernel").c_str(), 12345, 12345), 0);
    EXPECT_FALSE(cache.read(key_of(1)));
  }
  ASSERT_EQ(::chown((scratch / "cache").c_str(), 12345, 12345), 0);
  testing::internal::CaptureStderr();
  DiskCache cache(scratch / "cache", mebibyte);
  EXPECT_FALSE(cache.usable());
  EXPECT_NE(testing::internal::GetCapturedStderr().find("belongs to another user"), std::string::npos);
}

TEST(DiskCache, an_unusable_folder_says_so_once_and_holds_nothing) {
  const Scratch scratch;
  write_text(scratch / "file", "");
  fs::create_directory(scratch / "open");
  ::chmod((scratch / "open").c_str(), 0770);
  for (const std::string& folder : {scratch / "file", scratch / "open", std::string("/proc/cache"), std::string()}) {
    testing::internal::CaptureStderr();
    DiskCache cache(folder, mebibyte);
    EXPECT_FALSE(cache.usable());
    cache.write(key_of(1), code_of('x'));
    EXPECT_FALSE(cache.read(key_of(1)));
    cache.remove(key_of(1));
    cache.clear();
    EXPECT_EQ(cache.keep_text(key_of(1), "text"), "");
    EXPECT_EQ(cache.usage().entries, 0);
    const std::string output = testing::internal::GetCapturedStderr();
    EXPECT_EQ(std::count(output.begin(), output.end(), '\n'), 1) << output;
    EXPECT_NE(output.find("set WENGERT_CACHE"), std::string::npos) << output;
  }
}

TEST(DiskCache, a_folder_that_disappears_costs_one_warning) {
  const Scratch scratch;
  DiskCache cache(scratch / "cache", mebibyte);
  cache.write(key_of(1), code_of('x'));
  fs::remove_all(scratch / "cache");
  testing::internal::CaptureStderr();
  EXPECT_FALSE(cache.read(key_of(1)));
  cache.write(key_of(1), code_of('x'));
  cache.write(key_of(2), code_of('x'));
  const std::string output = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(output.begin(), output.end(), '\n'), 1) << output;
}

TEST(DiskCache, stays_below_its_limit_with_large_entries_and_small_ones) {
  for (const std::size_t size : {std::size_t{100}, std::size_t{1000}, std::size_t{12000}}) {
    const Scratch scratch;
    const int64_t limit = mebibyte / 8;
    DiskCache cache(scratch / "cache", limit);
    int64_t written = 0, most = 0;
    for (int i = 0; written < 4 * limit; ++i) {
      cache.write(key_of(i), code_of('x', size));
      written += static_cast<int64_t>(size) + 56;
      if (i % 16 == 0 || size > 10000) most = std::max(most, cache.usage().bytes);
      ASSERT_TRUE(cache.read(key_of(i))) << "the entry just written must not be the one that goes";
    }
    EXPECT_LE(most, limit) << size;
    EXPECT_GE(most, limit / 2) << size;
  }
}

TEST(DiskCache, an_entry_larger_than_an_eighth_of_the_limit_is_not_kept) {
  const Scratch scratch;
  DiskCache cache(scratch / "cache", mebibyte);
  cache.write(key_of(1), code_of('x', mebibyte / 8));
  EXPECT_FALSE(cache.read(key_of(1)));
  EXPECT_EQ(cache.usage().bytes, 0);
}

TEST(DiskCache, what_was_not_used_for_longest_goes_first) {
  const Scratch scratch;
  const int64_t limit = 100 * 1056;
  DiskCache cache(scratch / "cache", limit);
  const auto path = [&](int i) { return scratch / "cache/" + to_string(key_of(i)) + ".kernel"; };
  for (int i = 0; i < 70; ++i) {
    cache.write(key_of(i), code_of('x'));
    age(path(i), 100000 - 100 * i);
  }
  ASSERT_TRUE(cache.read(key_of(3)));  // used again
  for (int i = 70; i < 90; ++i) cache.write(key_of(i), code_of('x'));
  EXPECT_TRUE(cache.read(key_of(3)));
  for (int i = 0; i < 20; ++i) { EXPECT_EQ(fs::exists(path(i)), i == 3) << i; }
  for (int i = 70; i < 90; ++i) EXPECT_TRUE(fs::exists(path(i))) << i;
}

TEST(DiskCache, files_of_dead_writers_go_and_those_of_others_stay) {
  const Scratch scratch;
  DiskCache cache(scratch / "cache", 64 * 1024);
  const std::string dead = scratch / "cache/" + to_string(key_of(1)) + "-99-0.new";
  const std::string alive = scratch / "cache/" + to_string(key_of(1)) + "-98-0.new";
  const std::string foreign = scratch / "cache/thesis.tex";
  for (const std::string& path : {dead, alive, foreign}) write_text(path, "abc");
  age(dead, 100000);
  age(foreign, 100000);
  for (int i = 0; i < 200; ++i) cache.write(key_of(i), code_of('x', 4000));
  EXPECT_FALSE(fs::exists(dead));
  EXPECT_TRUE(fs::exists(alive));
  EXPECT_TRUE(fs::exists(foreign));
  cache.clear();
  EXPECT_EQ(cache.usage().entries, 0);
  EXPECT_EQ(cache.usage().bytes, 0);
  EXPECT_FALSE(fs::exists(alive));
  EXPECT_TRUE(fs::exists(foreign));
}

TEST(DiskCache, many_threads_and_caches_share_a_folder) {
  const Scratch scratch;
  testing::internal::CaptureStderr();
  std::atomic<int> wrong = 0, hits = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      DiskCache cache(scratch / "cache", mebibyte / 8);
      for (int i = 0; i < 400; ++i) {
        const int n = (i * 7 + t) % 50;
        if (const auto code = cache.read(key_of(n))) {
          ++hits;
          wrong += code->bytes != code_of(static_cast<char>('a' + n % 26), 2000).bytes;
        } else {
          cache.write(key_of(n), code_of(static_cast<char>('a' + n % 26), 2000));
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(hits, 100);
  EXPECT_LE(DiskCache(scratch / "cache", mebibyte / 8).usage().bytes, mebibyte / 8);
}

TEST(DiskCache, keeps_texts_for_people) {
  const Scratch scratch;
  DiskCache cache(scratch / "cache", mebibyte);
  const std::string path = cache.keep_text(key_of(1), "int x;\n");
  EXPECT_EQ(path, scratch / "cache/" + to_string(key_of(1)) + ".c");
  EXPECT_EQ(read_text(path), "int x;\n");
  EXPECT_EQ(cache.usage().entries, 0);
  cache.clear();
  EXPECT_FALSE(fs::exists(path));
}

using Variables = std::vector<std::pair<std::string, std::string>>;

/// Sets environment variables for a scope.
class ScopedEnvironment {
 public:
  explicit ScopedEnvironment(const Variables& values) {
    for (const auto& [name, value] : values) {
      const char* before = std::getenv(name.c_str());
      before_.push_back({name, before != nullptr, before != nullptr ? before : ""});
      ::setenv(name.c_str(), value.c_str(), 1);
    }
  }
  ~ScopedEnvironment() {
    for (const Saved& saved : before_) {
      if (saved.was_set) {
        ::setenv(saved.name.c_str(), saved.value.c_str(), 1);
      } else {
        ::unsetenv(saved.name.c_str());
      }
    }
  }

 private:
  struct Saved {
    std::string name;
    bool was_set;
    std::string value;
  };
  std::vector<Saved> before_;
};

TEST(DiskCacheDefaults, folder_follows_the_environment) {
  const auto folder = [](const char* own, const char* all, const char* home) {
    const ScopedEnvironment environment(Variables{{"WENGERT_CACHE", own}, {"XDG_CACHE_HOME", all}, {"HOME", home}});
    return default_cache_folder();
  };
  EXPECT_EQ(folder("/own", "/all", "/home/me"), "/own");
  EXPECT_EQ(folder("", "/all", "/home/me"), "/all/wengert");
  EXPECT_EQ(folder("", "", "/home/me"), "/home/me/.cache/wengert");
  EXPECT_EQ(folder("", "relative", "/home/me"),
            "/home/me/.cache/wengert");  // as the XDG specification wants
  EXPECT_EQ(folder("", "", ""), "");
}

TEST(DiskCacheDefaults, limit_follows_the_environment) {
  const auto limit = [](const char* value) {
    const ScopedEnvironment environment(Variables{{"WENGERT_CACHE_MIB", value}});
    return default_cache_limit();
  };
  EXPECT_EQ(limit(""), 256 * mebibyte);
  EXPECT_EQ(limit("3"), 3 * mebibyte);
  for (const char* wrong : {"0", "-1", "1.5", "12x", "many", "99999999999999999999"}) {
    EXPECT_EQ(test::error_of([&] { limit(wrong); }, ErrorKind::value, "cache-limit"),
              "WENGERT_CACHE_MIB: got '" + std::string(wrong) + "': wanted a whole number of MiB, at least 1");
  }
}

}  // namespace
}  // namespace wengert::cpu
