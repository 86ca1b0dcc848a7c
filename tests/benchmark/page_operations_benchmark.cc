#include <benchmark/benchmark.h>
#include <malloc.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/kernel/traces.h"
#include "third_party/abseil_extras/check.h"
#include "worker/experiment/make_page_user.h"
#include "worker/experiment/pack_pool.h"
#include "worker/experiment/page_supply.h"
#include "worker/model/machine.h"
#include "worker/policy/registry.h"
#include "worker/workload/ftrace_text.h"
#include "worker/workload/ordinary.h"
#include "worker/workload/secretmem.h"

// Page operations as a run makes them, through the cache and with all accounting, and what machines cost to start and
// to keep. An item is the allocation or the free of one block. Run it in the root of the tree: it reads a recorded
// trace.
namespace dmfrag {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::Migratetype;
using model::Order;
using workload::Operation;

constexpr uint64_t kRound = 4096;
constexpr uint32_t kCpus = 4;

model::MachineConfig Config(int64_t gib) {
  model::MachineConfig config{.memory = *model::MemoryMap::Pc(static_cast<uint64_t>(gib) << 30), .mapping = {}};
  config.cpus = kCpus;
  return config;
}

class Draws {
 public:
  uint64_t Below(uint64_t limit) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint64_t>(static_cast<unsigned __int128>(state_) * limit >> 64);
  }

 private:
  uint64_t state_ = 1;
};

// A machine with a cache, and a user whose operations are charged to it.
class Rig {
 public:
  Rig(const std::string& cache, int64_t gib) : machine_(*model::Machine::Create(Config(gib))) {
    cache_ = *policy::MakeCache(policy::DefaultConfig(cache), machine_.get());
    // Marked pageblocks, and secret pages that stay, for ordinary frees to go past.
    supply_ = std::make_unique<experiment::PageSupply>(machine_.get(), cache_.get());
    packs_ = std::make_unique<experiment::PackPools>(supply_.get());
    ordinary_ = experiment::MakePageUser(workload::OrdinaryTraffic({}), supply_.get(), packs_.get());
    const auto secretmem = experiment::MakePageUser(workload::SecretmemTraffic({}), supply_.get(), packs_.get());
    machine_->ChargeTo(&account_);
    for (int i = 0; i < 1000; ++i) CHECK(secretmem->Allocate({}).has_value());
  }

  std::optional<FrameNumber> Allocate(const Operation& operation) {
    machine_->ChargeTo(&account_);
    ++account_.operations;
    return ordinary_->Allocate(operation);
  }
  void Free(const Operation& operation, FrameNumber block) {
    machine_->ChargeTo(&account_);
    ++account_.operations;
    ordinary_->Free(operation, block);
  }

 private:
  std::unique_ptr<model::Machine> machine_;
  std::unique_ptr<policy::CacheType> cache_;
  std::unique_ptr<experiment::PageSupply> supply_;
  std::unique_ptr<experiment::PackPools> packs_;
  std::unique_ptr<experiment::PageUser> ordinary_;
  model::EventCounters account_;
};

Operation OrdinaryPage() {
  Operation page;
  page.type = Migratetype::kMovable;
  return page;
}

// All frames touched, half of them live at random.
struct HalfFull {
  HalfFull(const std::string& cache, int64_t gib) : rig(cache, gib) {
    live.reserve(static_cast<uint64_t>(gib) << 18);
    while (const auto frame = rig.Allocate(page)) live.push_back(*frame);
    for (uint64_t left = live.size() / 2; left > 0; --left) FreeOne();
  }
  void FreeOne() {
    std::swap(live[draws.Below(live.size())], live.back());
    rig.Free(page, live.back());
    live.pop_back();
  }

  const Operation page = OrdinaryPage();
  Rig rig;
  std::vector<FrameNumber> live;
  Draws draws;
};

// Each round frees 4,096 random live pages, then allocates 4,096.
void RandomPattern(benchmark::State& state, const std::string& cache, int64_t gib) {
  // To fill and half empty 1 TiB takes a minute: runs of the same case go on with one machine.
  static std::string made_for;
  static std::unique_ptr<HalfFull> made;
  const std::string name = cache + std::to_string(gib);
  if (made_for != name) {
    made.reset();
    made = std::make_unique<HalfFull>(cache, gib);
    made_for = name;
  }
  for (auto _ : state) {
    for (uint64_t i = 0; i < kRound; ++i) made->FreeOne();
    for (uint64_t i = 0; i < kRound; ++i) made->live.push_back(*made->rig.Allocate(made->page));
  }
  state.SetItemsProcessed(static_cast<int64_t>(2 * kRound) * state.iterations());
}

// Free and allocate in turn: only a per-CPU list is touched.
void Pairs(benchmark::State& state, const std::string& cache, int64_t gib) {
  Rig rig(cache, gib);
  const Operation page = OrdinaryPage();
  FrameNumber frame = *rig.Allocate(page);
  for (auto _ : state) {
    rig.Free(page, frame);
    frame = *rig.Allocate(page);
  }
  state.SetItemsProcessed(2 * static_cast<int64_t>(state.iterations()));
}

// The allocations of a trace, and the frees of what it allocated: `slot` stands for the block.
struct RecordedOperation {
  bool allocates;
  Operation block;
  uint32_t slot;
};

struct RecordedMix {
  std::vector<RecordedOperation> operations;
  uint32_t slots = 0;
};

RecordedMix ReadMix() {
  const std::string text = tests::Trace("extr-612-1G-s124");
  RecordedMix mix;
  std::map<FrameNumber, size_t> live;  // index of the allocation
  workload::FtraceReader reader(text);
  while (true) {
    const auto event = reader.Next();
    CHECK(event.ok());
    if (!event->has_value()) return mix;
    const workload::TraceEvent& e = **event;
    if (e.kind == workload::TraceEvent::Kind::kAllocate) {
      Operation block;
      block.order = e.order;
      block.type = e.type;
      live[e.frame] = mix.operations.size();
      mix.operations.push_back({true, block, mix.slots++});
    }
    const auto found = live.find(e.frame);
    if (e.kind != workload::TraceEvent::Kind::kFree || found == live.end()) continue;
    RecordedOperation free = mix.operations[found->second];
    live.erase(found);
    if (free.block.order != e.order) continue;  // split in between
    free.allocates = false;
    mix.operations.push_back(free);
  }
}

// The whole trace again and again; what lives at its end is freed at once.
void Recorded(benchmark::State& state, const std::string& cache, int64_t gib) {
  static const RecordedMix& mix = *new RecordedMix(ReadMix());
  Rig rig(cache, gib);
  std::vector<std::optional<FrameNumber>> blocks(mix.slots);
  std::vector<Operation> kinds(mix.slots);
  for (const RecordedOperation& operation : mix.operations) kinds[operation.slot] = operation.block;
  int64_t items = 0;
  for (auto _ : state) {
    for (const RecordedOperation& operation : mix.operations) {
      std::optional<FrameNumber>& block = blocks[operation.slot];
      if (operation.allocates) {
        block = rig.Allocate(operation.block);
      } else {
        rig.Free(operation.block, *block);
        block.reset();
      }
    }
    items += static_cast<int64_t>(mix.operations.size());
    for (uint32_t slot = 0; slot < mix.slots; ++slot) {
      if (!blocks[slot].has_value()) continue;
      rig.Free(kinds[slot], *blocks[slot]);
      blocks[slot].reset();
      ++items;
    }
  }
  state.SetItemsProcessed(items);
}

// Bytes of the host's memory in use.
double HostBytes() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

// A whole machine: page allocator, direct map, page tables' source.
void Start(benchmark::State& state, int64_t gib) {
  const model::MachineConfig config = Config(gib);
  double bytes = 0;
  for (auto _ : state) {
    const double before = HostBytes();
    const auto machine = *model::Machine::Create(config);
    bytes = HostBytes() - before;
    benchmark::DoNotOptimize(machine->allocator().free_frames());
  }
  state.counters["host_bytes"] = bytes;
}

// Every second frame of the Normal zone is free, the others are in use.
model::AllocatorSnapshot EverySecondFrameFree(int64_t gib) {
  const FrameCount frames(static_cast<uint64_t>(gib) << 18);
  model::AllocatorSnapshot snapshot;
  model::ZoneSnapshot& zone = snapshot.zones.emplace_back();
  zone.bounds.first = FrameNumber(uint64_t{1} << 20);
  zone.bounds.end = zone.bounds.first + frames;
  zone.managed = frames;
  zone.per_cpu.resize(kCpus);
  model::BlockList& list = zone.free.emplace_back();
  list.type = Migratetype::kMovable;
  list.blocks.reserve(frames.raw() / 2);
  for (FrameNumber frame = zone.bounds.first; frame < zone.bounds.end; frame = frame + FrameCount(2)) {
    list.blocks.push_back(frame);
  }
  return snapshot;
}

void StartFragmented(benchmark::State& state, int64_t gib) {
  const model::AllocatorSnapshot snapshot = EverySecondFrameFree(gib);
  double bytes = 0;
  for (auto _ : state) {
    const double before = HostBytes();
    const auto allocator = *model::PageAllocator::FromSnapshot(snapshot, {});
    bytes = HostBytes() - before;
    benchmark::DoNotOptimize(allocator->free_frames());
  }
  state.counters["host_bytes_per_frame"] = bytes / static_cast<double>(gib << 18);
}

// What is kept when every frame has been given out one by one.
void Fill(benchmark::State& state, int64_t gib) {
  const model::MachineConfig config = Config(gib);
  double bytes = 0;
  int64_t pages = 0;
  for (auto _ : state) {
    const double before = HostBytes();
    const auto machine = *model::Machine::Create(config);
    pages = 0;
    while (machine->allocator().Allocate(Order(0), Migratetype::kMovable).has_value()) ++pages;
    bytes = HostBytes() - before;
  }
  state.SetItemsProcessed(pages * static_cast<int64_t>(state.iterations()));
  state.counters["host_bytes_per_live_page"] = bytes / static_cast<double>(pages);
}

using Case = void (*)(benchmark::State&, const std::string&, int64_t);

void Register() {
  const std::pair<const char*, Case> kCases[] = {{"random", RandomPattern}, {"pairs", Pairs}, {"recorded", Recorded}};
  for (const auto& [name, run] : kCases) {
    for (const std::string& cache : policy::CacheTypeNames()) {
      for (int64_t gib : {4, 64, 1024}) {
        // 1 TiB takes a minute to fill, and no type has a part in its size.
        if (gib == 1024 && cache != "none" && cache != "global") continue;
        const std::string title = std::string(name) + "/" + cache + "/" + std::to_string(gib) + "_GiB";
        benchmark::RegisterBenchmark(title.c_str(), [run = run, cache, gib](benchmark::State& state) {
          run(state, cache, gib);
        })->Unit(benchmark::kMicrosecond);
      }
    }
  }
  for (int64_t gib : {1, 4, 64, 1024, 16384}) {
    benchmark::RegisterBenchmark(("start/" + std::to_string(gib) + "_GiB").c_str(), [gib](benchmark::State& state) {
      Start(state, gib);
    })->Unit(benchmark::kMicrosecond);
  }
  for (int64_t gib : {4, 64}) {
    benchmark::RegisterBenchmark(("start_fragmented/" + std::to_string(gib) + "_GiB").c_str(),
                                 [gib](benchmark::State& state) { StartFragmented(state, gib); })
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(("fill/" + std::to_string(gib) + "_GiB").c_str(), [gib](benchmark::State& state) {
      Fill(state, gib);
    })->Unit(benchmark::kMillisecond);
  }
}

}  // namespace
}  // namespace dmfrag

int main(int argc, char** argv) {
  dmfrag::Register();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
