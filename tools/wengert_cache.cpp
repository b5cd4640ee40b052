// wengert_cache: what the cache of compiled kernels holds, and how to empty it.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "wengert/array/error.hpp"
#include "wengert/backends/cpu/disk_cache.hpp"

namespace {

using wengert::cpu::DiskCache;

int show(bool clear) {
  const std::string folder = wengert::cpu::default_cache_folder();
  const int64_t limit = wengert::cpu::default_cache_limit();
  DiskCache::Usage usage;
  if (folder.empty() || std::filesystem::exists(folder)) {  // looking at a cache does not make one
    DiskCache cache(folder, limit);
    if (!cache.usable()) return 1;  // it has said why
    if (clear) cache.clear();
    usage = cache.usage();
  }
  fmt::print("folder   {}\nentries  {}\nbytes    {} of {}\n", folder, usage.entries, usage.bytes, limit);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Shows the folder of compiled kernels, how many it holds and their bytes.");
  bool clear = false;
  app.add_flag("--clear", clear, "Remove every compiled kernel; each is compiled again when it is needed");
  CLI11_PARSE(app, argc, argv);
  try {
    return show(clear);
  } catch (const wengert::Error& error) {
    fmt::print(stderr, "wengert_cache: {}\n", error.what());
    return 1;
  }
}
