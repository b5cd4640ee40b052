// What memory costs: storages and nodes from hot free lists, from other threads, and large blocks
// fresh from the system against pooled ones.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "wengert/array/storage.hpp"

namespace {

using wengert::Storage;
namespace memory = wengert::memory;

void node(benchmark::State& state) {
  for (auto _ : state) {
    void* block = memory::allocate_node();
    benchmark::DoNotOptimize(block);
    memory::free_node(block);
  }
}
BENCHMARK(node);

void storage(benchmark::State& state) {
  for (auto _ : state) {
    Storage* block = memory::allocate(state.range(0));
    benchmark::DoNotOptimize(block);
    memory::release(block);
  }
}
BENCHMARK(storage)->ArgName("bytes")->Arg(64)->Arg(1024)->Arg(4096)->Arg(65'536);
BENCHMARK(storage)->ArgName("bytes")->Arg(65'537)->Arg(1 << 20)->Arg(64 << 20);
BENCHMARK(storage)->ArgName("bytes")->Arg(4096)->Threads(2);
BENCHMARK(storage)->ArgName("bytes")->Arg(1 << 20)->Threads(2);

/// A thousand live at a time, freed in the order in which they were made.
void many_storages(benchmark::State& state) {
  std::vector<Storage*> blocks(1000);
  for (auto _ : state) {
    for (Storage*& block : blocks) block = memory::allocate(state.range(0));
    for (Storage* block : blocks) memory::release(block);
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(many_storages)->ArgName("bytes")->Arg(64)->Arg(4096);

void retain_and_release(benchmark::State& state) {
  Storage* block = memory::allocate(64);
  for (auto _ : state) {
    memory::retain(block);
    benchmark::DoNotOptimize(block);
    memory::release(block);
  }
  memory::release(block);
}
BENCHMARK(retain_and_release);

/// Allocates and writes every byte.
void write_all(benchmark::State& state, bool fresh) {
  for (auto _ : state) {
    if (fresh) memory::trim();
    Storage* block = memory::allocate(state.range(0));
    std::memset(block->data(), 1, static_cast<size_t>(state.range(0)));
    benchmark::DoNotOptimize(block->data()[0]);
    memory::release(block);
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK_CAPTURE(write_all, fresh, true)->ArgName("bytes")->Arg(256 << 10)->Arg(1 << 20)->Arg(5 << 20)->Arg(64 << 20);
BENCHMARK_CAPTURE(write_all, pooled, false)
    ->ArgName("bytes")
    ->Arg(256 << 10)
    ->Arg(1 << 20)
    ->Arg(5 << 20)
    ->Arg(64 << 20);

/// The same with the C library's memory, in pages of 4 KiB.
void write_all_malloc(benchmark::State& state) {
  for (auto _ : state) {
    void* block = std::malloc(static_cast<size_t>(state.range(0)));
    std::memset(block, 1, static_cast<size_t>(state.range(0)));
    benchmark::DoNotOptimize(block);
    std::free(block);
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(write_all_malloc)->ArgName("bytes")->Arg(64 << 20);

}  // namespace
