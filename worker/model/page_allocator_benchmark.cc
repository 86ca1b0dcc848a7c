#include <benchmark/benchmark.h>

#include <utility>
#include <vector>

#include "worker/model/page_allocator.h"

// Order-0 allocations and frees. Argument: memory in GiB.
namespace dmfrag::model {
namespace {

constexpr uint32_t kCpus = 4;
constexpr uint64_t kBatch = 4096;

MemoryMap Memory(const benchmark::State& state) { return *MemoryMap::Pc(static_cast<uint64_t>(state.range(0)) << 30); }

void BM_Start(benchmark::State& state) {
  const MemoryMap memory = Memory(state);
  for (auto _ : state) {
    PageAllocator allocator(memory, kCpus, {});
    benchmark::DoNotOptimize(allocator.free_frames());
  }
}
BENCHMARK(BM_Start)->Arg(1)->Arg(1024)->Arg(16384)->Arg(65536)->Unit(benchmark::kMillisecond);

class Draws {
 public:
  uint64_t Below(uint64_t limit) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (state_ >> 32) * limit >> 32;
  }

 private:
  uint64_t state_ = 1;
};

// All frames touched, half of them live at random; each round frees 4,096 random live pages, then allocates 4,096. With
// `drain`, the per-CPU lists are emptied between rounds.
void RandomPattern(benchmark::State& state, AllocatorRules rules, bool drain) {
  PageAllocator allocator(Memory(state), kCpus, rules);
  std::vector<FrameNumber> live;
  while (const auto frame = allocator.Allocate(Order(0), Migratetype::kMovable)) live.push_back(*frame);
  Draws draws;
  const auto free_one = [&] {
    std::swap(live[draws.Below(live.size())], live.back());
    allocator.Free(live.back(), Order(0));
    live.pop_back();
  };
  for (uint64_t left = live.size() / 2; left > 0; --left) free_one();
  for (auto _ : state) {
    for (uint64_t i = 0; i < kBatch; ++i) free_one();
    if (drain) allocator.DrainPerCpu();
    for (uint64_t i = 0; i < kBatch; ++i) live.push_back(*allocator.Allocate(Order(0), Migratetype::kMovable));
  }
  state.SetItemsProcessed(static_cast<int64_t>(2 * kBatch * state.iterations()));
}

// 6.12's lists grow until they hold such a round: the buddy lists rest.
void BM_RandomPattern(benchmark::State& state) { RandomPattern(state, {}, /*drain=*/false); }
BENCHMARK(BM_RandomPattern)->Arg(4)->Arg(64)->Unit(benchmark::kMicrosecond);

// 6.1's lists are fixed, and on 4 GiB overflow in every round.
void BM_RandomPatternFixedLists(benchmark::State& state) {
  RandomPattern(state, AllocatorRules::Of(KernelRelease::k6_1), /*drain=*/false);
}
BENCHMARK(BM_RandomPatternFixedLists)->Arg(4)->Arg(64)->Unit(benchmark::kMicrosecond);

// Every page goes through the buddy lists, and back.
void BM_RandomPatternDrained(benchmark::State& state) { RandomPattern(state, {}, /*drain=*/true); }
BENCHMARK(BM_RandomPatternDrained)->Arg(4)->Arg(64)->Unit(benchmark::kMicrosecond);

// Free and allocate in turn: only the per-CPU list is touched.
void BM_Pairs(benchmark::State& state) {
  PageAllocator allocator(Memory(state), kCpus, {});
  FrameNumber frame = *allocator.Allocate(Order(0), Migratetype::kMovable);
  for (auto _ : state) {
    allocator.Free(frame, Order(0));
    frame = *allocator.Allocate(Order(0), Migratetype::kMovable);
  }
  state.SetItemsProcessed(static_cast<int64_t>(2 * state.iterations()));
}
BENCHMARK(BM_Pairs)->Arg(4)->Arg(1024);

}  // namespace
}  // namespace dmfrag::model

BENCHMARK_MAIN();
