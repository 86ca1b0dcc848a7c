#include <benchmark/benchmark.h>

#include <utility>

#include "worker/model/attribute_changer.h"

// Requests to change attributes of the direct map, flushes and counters included, and the memory its state takes. The
// argument is the machine's memory in GiB. An item is a request. Left out: the page allocator.
namespace dmfrag::model {
namespace {

constexpr EntryFlags kWritable(EntryFlags::kWritable);
constexpr EntryFlags kPresentWritable(EntryFlags::kPresent | EntryFlags::kWritable);
constexpr EntryFlags kRoxCleared(EntryFlags::kWritable | EntryFlags::kDirty | EntryFlags::kNoExecute);

class EndlessTables : public TablePageSource {
 public:
  std::optional<FrameNumber> TakeTable(MapLevel, FrameNumber) override { return FrameNumber(0); }
  void ReturnTable(FrameNumber) override {}
};

MemoryMap Memory(const benchmark::State& state) { return *MemoryMap::Pc(static_cast<uint64_t>(state.range(0)) << 30); }

// A booted direct map, and what it takes to change it.
struct Bench {
  explicit Bench(const benchmark::State& state)
      : map(DirectMap::Boot(Memory(state), {}, EntryFlags::PageKernel())),
        counters(DirectMapCounters::Of(map)),
        changer(&map, &counters, &tables, TlbFlushes(4), {.collapse = CollapseDesign::kOnRox}),
        // Beyond the hole below 4 GiB, and beyond the GiB that boots in smaller pages.
        first(FrameNumber(4 * kFramesPer1G.raw())),
        blocks((map.end() - first).raw() / kFramesPer2M.raw()) {}

  FrameNumber Block(uint64_t i) const { return first + FrameCount(i % blocks * kFramesPer2M.raw()); }
  // Blocks far from each other, each once before any comes again: the stride is a prime that divides no number of them.
  FrameNumber NextScatteredBlock() {
    step += 1000003;
    return Block(step);
  }
  // A page of the block `at`, another one at each step.
  FrameNumber PageOf(FrameNumber at) const { return at + FrameCount(1 + step * 0x9e3779b97f4a7c15u % 511); }
  void Change(AttributeRequest request, FrameNumber at, FrameCount pages) {
    request.range = {at, at + pages};
    benchmark::DoNotOptimize(changer.Change(request, events));
  }

  DirectMap map;
  DirectMapCounters counters;
  EndlessTables tables;
  AttributeChanger changer;
  EventCounters events;
  FrameNumber first;
  uint64_t blocks;
  uint64_t step = 0;
};

void BM_Boot(benchmark::State& state) {
  const MemoryMap memory = Memory(state);
  for (auto _ : state) benchmark::DoNotOptimize(DirectMap::Boot(memory, {}, EntryFlags::PageKernel()));
}
BENCHMARK(BM_Boot)->Arg(8)->Arg(1024)->Arg(65536);

// One page out of the direct map and back, anywhere, in blocks that are split already.
void BM_ScatteredPages(benchmark::State& state) {
  Bench bench(state);
  for (uint64_t i = 0; i < bench.blocks; ++i) bench.Change({.force_4k = true}, bench.Block(i), kFramesPer2M);
  for (auto _ : state) {
    const FrameNumber page = bench.PageOf(bench.NextScatteredBlock());
    bench.Change({.clear = kPresentWritable, .flush = false}, page, FrameCount(1));
    bench.Change({.set = kPresentWritable, .flush = false}, page, FrameCount(1));
  }
  state.SetItemsProcessed(2 * static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_ScatteredPages)->Arg(8)->Arg(1024);

// One page out of the direct map, in a block that is still whole: each request splits once, the first in a GiB twice.
void BM_ScatteredFirstTouch(benchmark::State& state) {
  std::optional<Bench> bench(std::in_place, state);
  uint64_t left = bench->blocks;
  for (auto _ : state) {
    if (left-- == 0) {
      state.PauseTiming();
      bench.emplace(state);
      left = bench->blocks - 1;
      state.ResumeTiming();
    }
    const FrameNumber page = bench->PageOf(bench->NextScatteredBlock());
    bench->Change({.clear = kPresentWritable, .flush = false}, page, FrameCount(1));
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_ScatteredFirstTouch)->Arg(8)->Arg(1024);

// A whole 2M page to read-only and back, anywhere.
void BM_WholeBlocks(benchmark::State& state) {
  Bench bench(state);
  for (auto _ : state) {
    const FrameNumber block = bench.NextScatteredBlock();
    bench.Change({.clear = kWritable}, block, kFramesPer2M);
    bench.Change({.set = kWritable}, block, kFramesPer2M);
  }
  state.SetItemsProcessed(2 * static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_WholeBlocks)->Arg(8)->Arg(1024);

// 512 pages to uncached and back as arrays, page by page: 512 entries to a request.
void BM_Arrays(benchmark::State& state) {
  Bench bench(state);
  const EntryFlags uncached(EntryFlags::kCacheDisable);
  for (auto _ : state) {
    const FrameNumber block = bench.NextScatteredBlock();
    bench.Change({.set = uncached, .array = true}, block, kFramesPer2M);
    bench.Change({.clear = uncached, .array = true}, block, kFramesPer2M);
  }
  state.SetItemsProcessed(2 * static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_Arrays)->Arg(8)->Arg(1024);

// set_memory_rox of a page, which splits its block and cannot put it together; of the whole block, which does; and back
// to writable. Half the requests look for something to collapse.
void BM_Collapses(benchmark::State& state) {
  Bench bench(state);
  for (auto _ : state) {
    const FrameNumber block = bench.NextScatteredBlock();
    bench.Change({.clear = kRoxCleared, .collapse = true}, bench.PageOf(block), FrameCount(1));
    bench.Change({.clear = kRoxCleared, .collapse = true}, block, kFramesPer2M);
    bench.Change({.set = kRoxCleared}, block, kFramesPer2M);
  }
  if (bench.events.collapses_2m != static_cast<int64_t>(state.iterations())) state.SkipWithError("nothing collapsed");
  state.SetItemsProcessed(3 * static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_Collapses)->Arg(8)->Arg(1024);

// set_memory_rox of one page after another in blocks that stay uneven: it asks 512 times whether a block is uniform.
void BM_CollapsesDeclined(benchmark::State& state) {
  Bench bench(state);
  const EntryFlags np(EntryFlags::kPresent);
  for (uint64_t i = 0; i < bench.blocks; ++i) bench.Change({.clear = np}, bench.Block(i), FrameCount(1));
  for (auto _ : state) {
    const FrameNumber page = bench.PageOf(bench.NextScatteredBlock());
    bench.Change({.clear = kRoxCleared, .collapse = true}, page, FrameCount(1));
    bench.Change({.set = kRoxCleared, .collapse = true}, page, FrameCount(1));
  }
  state.SetItemsProcessed(2 * static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_CollapsesDeclined)->Arg(8)->Arg(1024);

// What the state takes with every `one_in`-th block split to 4K; 0: none. The time is that of the splits.
void BM_StateSize(benchmark::State& state, uint64_t one_in) {
  double bytes = 0;
  for (auto _ : state) {
    Bench bench(state);
    for (FrameNumber block(0); one_in > 0 && block < bench.map.end(); block = block + FrameCount(512 * one_in)) {
      bench.Change({.force_4k = true}, block, kFramesPer2M);
    }
    bytes = static_cast<double>(bench.map.MemoryBytes());
  }
  state.counters["bytes_per_GiB"] = bytes / static_cast<double>(state.range(0));
}
BENCHMARK_CAPTURE(BM_StateSize, all_large, 0)->Arg(8)->Arg(1024)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_StateSize, half_split, 2)->Arg(8)->Arg(1024)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_StateSize, all_split, 1)->Arg(8)->Arg(1024)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace dmfrag::model

BENCHMARK_MAIN();
