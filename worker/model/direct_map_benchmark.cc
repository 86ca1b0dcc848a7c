#include <benchmark/benchmark.h>

#include "worker/model/attribute_changer.h"

// Requests to change attributes of the direct map, flushes and counters included. Left out: the page allocator.
namespace dmfrag::model {
namespace {

constexpr EntryFlags kPresentWritable(EntryFlags::kPresent | EntryFlags::kWritable);

class EndlessTables : public TablePageSource {
 public:
  std::optional<FrameNumber> TakeTable(MapLevel, FrameNumber) override { return FrameNumber(0); }
  void ReturnTable(FrameNumber) override {}
};

MemoryMap Memory(const benchmark::State& state) { return *MemoryMap::Pc(static_cast<uint64_t>(state.range(0)) << 30); }

void BM_Boot(benchmark::State& state) {
  const MemoryMap memory = Memory(state);
  for (auto _ : state) benchmark::DoNotOptimize(DirectMap::Boot(memory, {}, EntryFlags::PageKernel()));
}
BENCHMARK(BM_Boot)->Arg(8)->Arg(1024)->Arg(65536);

// One page out of the direct map and back, pages all over an 1 GiB window so that every block is split soon.
void BM_ScatteredPages(benchmark::State& state) {
  const MemoryMap memory = Memory(state);
  DirectMap map = DirectMap::Boot(memory, {}, EntryFlags::PageKernel());
  DirectMapCounters counters = DirectMapCounters::Of(map);
  EndlessTables tables;
  AttributeChanger changer(&map, &counters, &tables, TlbFlushes(4), {});
  EventCounters events;
  uint64_t step = 0;
  for (auto _ : state) {
    step = step * 6364136223846793005u + 1442695040888963407u;
    const FrameNumber page(kFramesPer1G.raw() + (step >> 46));
    AttributeRequest request;
    request.range = {page, page + FrameCount(1)};
    request.flush = false;
    request.clear = kPresentWritable;
    changer.Change(request, events);
    request.set = std::exchange(request.clear, {});
    changer.Change(request, events);
  }
  state.SetItemsProcessed(2 * static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_ScatteredPages)->Arg(8)->Arg(1024);

// A whole 2M page to read-only and back.
void BM_WholeBlocks(benchmark::State& state) {
  const MemoryMap memory = Memory(state);
  DirectMap map = DirectMap::Boot(memory, {}, EntryFlags::PageKernel());
  DirectMapCounters counters = DirectMapCounters::Of(map);
  EndlessTables tables;
  AttributeChanger changer(&map, &counters, &tables, TlbFlushes(4), {});
  EventCounters events;
  uint64_t block = 0;
  for (auto _ : state) {
    block = (block + 101) % 512;
    const FrameNumber first(kFramesPer1G.raw() + block * 512);
    AttributeRequest request;
    request.range = {first, first + kFramesPer2M};
    request.clear = EntryFlags(EntryFlags::kWritable);
    changer.Change(request, events);
    request.set = std::exchange(request.clear, {});
    changer.Change(request, events);
  }
  state.SetItemsProcessed(2 * static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_WholeBlocks)->Arg(8)->Arg(1024);

}  // namespace
}  // namespace dmfrag::model

BENCHMARK_MAIN();
