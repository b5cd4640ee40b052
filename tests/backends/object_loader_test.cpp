#include "wengert/backends/cpu/object_loader.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>

#include "tests/backends/kernel_testing.hpp"

namespace wengert::cpu {
namespace {

using namespace testing_kernels;

/// An object as `cc -c` makes it from `text`.
std::string object_of(const std::string& text, const std::string& flags = "") {
  const Scratch scratch;
  write_text(scratch / "kernel.c", text);
  EXPECT_EQ(std::system(("cc -c -O2 -fPIC " + flags + " -o " + scratch / "kernel.o " + scratch / "kernel.c").c_str()),
            0);
  return read_text(scratch / "kernel.o");
}

TEST(ObjectLoader, loads_objects_of_another_compiler) {
  EXPECT_TRUE(computes_scaling(load_object(object_of(scaling_kernel(5))).kernel, 5));
  EXPECT_TRUE(computes_scaling(load_object(object_of(scaling_kernel(6), "-g -O0 -march=native")).kernel, 6));
}

TEST(ObjectLoader, addresses_may_come_from_a_table) {
  // Position-independent code takes the address of what others could replace from a table; with
  // -fno-plt it calls through it, too.
  const std::string text = kernel_of("void* memset(void*, int, unsigned long);",
                                     "  ((void**)buffers[0])[0] = (void*)wg_kernel;\n"
                                     "  ((void**)buffers[0])[1] = (void*)memset;\n"
                                     "  memset(buffers[1], 7, *(const unsigned long*)buffers[2]);\n"
                                     "  return 3;");
  for (const char* flags : {"", "-fno-plt", "-O0", "-O0 -fno-plt"}) {
    const LoadResult loaded = load_object(object_of(text, flags));
    ASSERT_NE(loaded.kernel, nullptr) << loaded.problem;
    void* addresses[2] = {};
    char bytes[5] = {};
    unsigned long count = 4;
    EXPECT_EQ(call(loaded.kernel, {addresses, bytes, &count}), 3);
    EXPECT_EQ(addresses[0], reinterpret_cast<void*>(loaded.kernel)) << flags;
    EXPECT_EQ(addresses[1], reinterpret_cast<void*>(&std::memset)) << flags;
    EXPECT_EQ(std::string(bytes), "\7\7\7\7") << flags;
  }
}

TEST(ObjectLoader, code_is_never_writable_and_executable) {
  const LoadResult loaded = load_object(object_of(kernel_of("static int calls;", "  return ++calls;")));
  ASSERT_NE(loaded.kernel, nullptr) << loaded.problem;
  EXPECT_EQ(call(loaded.kernel, {}), 1);
  std::istringstream maps(read_text("/proc/self/maps"));
  const auto address = reinterpret_cast<uintptr_t>(loaded.kernel);
  bool found = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    char access[5] = {};
    ASSERT_EQ(std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, access), 3) << line;
    EXPECT_FALSE(access[1] == 'w' && access[2] == 'x') << line;
    if (begin <= address && address < end) {
      found = true;
      EXPECT_STREQ(access, "r-xp");
    }
  }
  EXPECT_TRUE(found);
}

TEST(ObjectLoader, what_it_does_not_know_is_refused) {
  const auto problem_of = [](const std::string& helpers, const std::string& body, const std::string& flags = "") {
    const LoadResult loaded = load_object(object_of(kernel_of(helpers, body), flags));
    EXPECT_EQ(loaded.kernel, nullptr);
    return loaded.problem;
  };
  EXPECT_NE(problem_of("int system(const char*);", "  return system(\"true\");").find("it needs system"),
            std::string::npos);
  EXPECT_NE(problem_of("static _Thread_local int t;", "  return ++t;").find("thread-local"), std::string::npos);
  EXPECT_NE(problem_of("extern int environ_of_nobody;", "  return environ_of_nobody;").find("it needs"),
            std::string::npos);
  EXPECT_NE(problem_of("static int table[4] = {1, 2, 3, 4};", "  return table[sizes[0]]++;",
                       "-fno-pic -no-pie -mcmodel=small")
                .find("relocation of type"),
            std::string::npos);
}

TEST(ObjectLoader, damaged_objects_never_crash_it) {
  const std::string whole =
      object_of(kernel_of("static int seed = 3; static const char* const names[] = {\"a\", \"b\"};",
                          "  return names[sizes[0]][0] + seed;"));
  ASSERT_NE(load_object(whole).kernel, nullptr);
  for (std::size_t size = 0; size < whole.size(); size += 7) load_object(std::string_view(whole).substr(0, size));
  uint64_t state = 1;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = whole;
    for (int change = 0; change < 3; ++change) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      bytes[(state >> 33) % bytes.size()] = static_cast<char>(state >> 25);
    }
    load_object(bytes);  // loads or refuses; what it loads is not called
  }
}

}  // namespace
}  // namespace wengert::cpu
