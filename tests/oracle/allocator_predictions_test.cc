// Predictions 18, 27, 28 and 29 of the project's domain notes about the page allocator, by their numbers. Where they
// are about traces they are tried on those of real kernels in tests/kernel/traces.
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernel/traces.h"
#include "third_party/abseil_extras/check.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/machine.h"
#include "worker/model/page_allocator.h"
#include "worker/workload/ftrace_text.h"
#include "worker/workload/random.h"

namespace dmfrag::tests {
namespace {

using model::AllocatorRules;
using model::FrameCount;
using model::FrameNumber;
using model::FrameState;
using model::KernelRelease;
using model::MemoryMap;
using model::Migratetype;
using model::Order;
using model::PageAllocator;
using model::TableSourceKind;

constexpr KernelRelease kReleases[] = {KernelRelease::k6_1, KernelRelease::k6_12, KernelRelease::k6_16,
                                       KernelRelease::k6_18, KernelRelease::k7_3};

// What becomes of the 2M blocks that secret pages have split, once the pages are freed.
struct Restorable {
  uint64_t blocks = 0;
  uint64_t tables_inside = 0;  // page tables that lie in the very block they split
  uint64_t free = 0;           // blocks that are wholly free, and could be one entry again
};

Restorable AfterSecretPages(TableSourceKind source) {
  constexpr uint64_t kPages = 40'000;
  model::MachineConfig config{.memory = *MemoryMap::Pc(uint64_t{2} << 30), .mapping = {}};
  config.cpus = 1;
  config.table_source = source;
  const auto machine = *model::Machine::Create(config);
  model::EventCounters account;
  machine->ChargeTo(&account);
  std::vector<FrameNumber> pages;
  std::set<FrameNumber> blocks;
  for (uint64_t i = 0; i < kPages; ++i) {
    pages.push_back(*machine->allocator().Allocate(Order(0), Migratetype::kUnmovable));
    EXPECT_EQ(machine->SetDirectMapInvalidNoflush(pages.back(), FrameCount(1)), model::CpaOutcome::kDone);
    blocks.insert(pages.back().AlignedDown(model::kFramesPer2M));
  }
  EXPECT_EQ(account.splits_2m, static_cast<int64_t>(blocks.size()));
  for (FrameNumber page : pages) {
    machine->SetDirectMapDefaultNoflush(page, FrameCount(1));
    machine->allocator().Free(page, Order(0));
  }
  machine->allocator().DrainPerCpu();
  Restorable result{blocks.size(), static_cast<uint64_t>(account.table_pages_in_split_block), 0};
  for (FrameNumber block : blocks) {
    const PageAllocator::Block found = machine->allocator().BlockOf(block);
    if (found.state == FrameState::kFree && found.order >= model::kPageblockOrder) ++result.free;
  }
  return result;
}

// 18. On a fresh machine a split's page table lies in the block it splits, so that nearly none could be restored; with
// tables from a reserve or a group, all that are free can.
TEST(AllocatorPredictionTest, P18_TablesInsideTheirBlocksKeepThemFromBeingRestored) {
  const Restorable buddy = AfterSecretPages(TableSourceKind::kBuddy);
  EXPECT_GT(buddy.blocks, 75u);
  EXPECT_GT(buddy.tables_inside, buddy.blocks * 9 / 10);
  EXPECT_LT(buddy.free, buddy.blocks / 10);
  for (TableSourceKind source : {TableSourceKind::kBootReserve, TableSourceKind::kGrouped}) {
    const Restorable apart = AfterSecretPages(source);
    EXPECT_EQ(apart.tables_inside, 0u);
    EXPECT_GT(apart.blocks, 75u);
    EXPECT_EQ(apart.free, apart.blocks);
  }
}

// A zone in which one movable pageblock has free pages: a block of each of `orders`, from high to low.
model::AllocatorSnapshot OneBlock(std::vector<unsigned> orders) {
  model::AllocatorSnapshot snapshot;
  model::ZoneSnapshot& zone = snapshot.zones.emplace_back();
  zone.bounds = {FrameNumber(4096), FrameNumber(8192)};
  zone.managed = FrameCount(4096);
  zone.block_types = {{FrameNumber(4096), 8, Migratetype::kMovable}};
  zone.per_cpu.push_back({.high = 100, .batch = 1, .lists = {}});
  FrameNumber next(4096);
  for (unsigned order : orders) {
    zone.free.insert(zone.free.begin(), {Order(order), Migratetype::kMovable, {next}});
    next = next + Order(order).frames();
  }
  return snapshot;
}

// 27. An unmovable page from a movable block claims it if half of the block is free or alike; else it is stolen, and
// the block stays movable.
TEST(AllocatorPredictionTest, P27_HalfAPageblockDecidesAboutItsType) {
  const std::vector<unsigned> k256 = {8};
  const std::vector<unsigned> k255 = {7, 6, 5, 4, 3, 2, 1, 0};
  for (KernelRelease release : kReleases) {
    SCOPED_TRACE(static_cast<int>(release));
    const auto half = *PageAllocator::FromSnapshot(OneBlock(k256), AllocatorRules::Of(release));
    ASSERT_TRUE(half->Allocate(Order(0), Migratetype::kUnmovable).has_value());
    EXPECT_EQ(half->PageblockType(FrameNumber(4096)), Migratetype::kUnmovable);

    const auto less = *PageAllocator::FromSnapshot(OneBlock(k255), AllocatorRules::Of(release));
    ASSERT_TRUE(less->Allocate(Order(0), Migratetype::kUnmovable).has_value());
    EXPECT_EQ(less->PageblockType(FrameNumber(4096)), Migratetype::kMovable);

    // One page that is neither free nor movable is alike: here it waits on a per-CPU list.
    model::AllocatorSnapshot alike = OneBlock(k255);
    alike.zones[0].per_cpu[0].lists.push_back({Order(0), Migratetype::kMovable, {FrameNumber(4096 + 300)}});
    const auto with_alike = *PageAllocator::FromSnapshot(alike, AllocatorRules::Of(release));
    ASSERT_TRUE(with_alike->Allocate(Order(0), Migratetype::kUnmovable).has_value());
    EXPECT_EQ(with_alike->PageblockType(FrameNumber(4096)), Migratetype::kUnmovable);
  }
}

using workload::TraceEvent;

std::vector<TraceEvent> Events(std::string_view trace) {
  std::vector<TraceEvent> events;
  workload::FtraceReader reader(trace);
  while (true) {
    const auto event = reader.Next();
    CHECK(event.ok());
    if (!event->has_value()) return events;
    events.push_back(**event);
  }
}

// Frames of a trace's allocations, and how its frees fit to them.
class Ledger {
 public:
  explicit Ledger(std::string_view trace) {
    for (const TraceEvent& event : Events(trace)) {
      if (event.kind == TraceEvent::Kind::kAllocate) Allocate(event.frame, event.order);
      if (event.kind == TraceEvent::Kind::kFree) Free(event.frame, event.order);
      if (event.kind == TraceEvent::Kind::kBulkAllocate) unlogged_ += event.number;
      if (event.kind == TraceEvent::Kind::kCompactTake) ++unlogged_;
    }
  }

  uint64_t allocated() const { return allocated_; }
  uint64_t freed_of_trace() const { return freed_of_trace_; }
  uint64_t live() const { return live_.size(); }
  uint64_t given_twice() const { return given_twice_; }
  // Without an allocation between: a balance below zero.
  uint64_t freed_twice() const { return freed_twice_; }
  // Taken by bulk allocations and compaction.
  uint64_t unlogged() const { return unlogged_; }

 private:
  void Allocate(FrameNumber first, Order order) {
    for (uint64_t i = 0; i < order.frames().raw(); ++i) {
      const FrameNumber frame = first + FrameCount(i);
      if (!live_.insert(frame).second) ++given_twice_;
      freed_.erase(frame);
      ++allocated_;
    }
  }
  void Free(FrameNumber first, Order order) {
    for (uint64_t i = 0; i < order.frames().raw(); ++i) {
      const FrameNumber frame = first + FrameCount(i);
      if (live_.erase(frame) != 0) {
        ++freed_of_trace_;
      } else if (!freed_.insert(frame).second) {
        ++freed_twice_;
      }
      freed_.insert(frame);
    }
  }

  std::set<FrameNumber> live_;
  std::set<FrameNumber> freed_;
  uint64_t allocated_ = 0;
  uint64_t freed_of_trace_ = 0;
  uint64_t given_twice_ = 0;
  uint64_t freed_twice_ = 0;
  uint64_t unlogged_ = 0;
};

class TracePredictionTest : public ::testing::TestWithParam<const char*> {};

// 28. Allocations less frees are what lives, and no frame goes below zero, if mm_page_free alone counts. Pages freed
// that were allocated before the trace count from one, and what bulk allocations and compaction took is logged nowhere,
// so that as many frames may seem to be freed twice.
TEST_P(TracePredictionTest, P28_AllocationsLessFreesAreWhatLives) {
  const Ledger ledger(Trace(GetParam()));
  EXPECT_GT(ledger.allocated(), 1000u);
  EXPECT_EQ(ledger.given_twice(), 0u);
  EXPECT_EQ(ledger.live(), ledger.allocated() - ledger.freed_of_trace());
  EXPECT_LE(ledger.freed_twice(), ledger.unlogged());
}

// The trap of 28: mm_page_free_batched tells of pages that mm_page_free has told of. Whoever counts both frees them
// twice.
TEST_P(TracePredictionTest, P28_CountingBatchedFreesTooGoesBelowZero) {
  std::string trace = Trace(GetParam());
  constexpr std::string_view kBatched = ": mm_page_free_batched: ";
  constexpr std::string_view kFree = ": mm_page_free:         ";
  static_assert(kBatched.size() == kFree.size());
  uint64_t batched = 0;
  for (size_t at = trace.find(kBatched); at != std::string::npos; at = trace.find(kBatched, at)) {
    trace.replace(at, kBatched.size(), kFree);
    ++batched;
  }
  const Ledger ledger(trace);
  EXPECT_GT(batched, 100u);
  EXPECT_GE(ledger.freed_twice(), batched);
}

// 29, its first half. A block's first frame is a multiple of its size.
TEST_P(TracePredictionTest, P29_BlocksAreAligned) {
  const std::string trace = Trace(GetParam());
  uint64_t above_0 = 0;
  for (const TraceEvent& event : Events(trace)) {
    if (event.kind != TraceEvent::Kind::kAllocate && event.kind != TraceEvent::Kind::kFree) continue;
    EXPECT_TRUE(event.frame.IsAligned(event.order.frames())) << "line " << event.line;
    if (event.order > Order(0)) ++above_0;
  }
  EXPECT_GT(above_0, 1u);
}

INSTANTIATE_TEST_SUITE_P(Traces, TracePredictionTest,
                         ::testing::Values("fl-61-1G-a", "fl-612-1G-a", "extr-61-1G-s124", "extr-612-1G-s124"));

// 29, its second half. Pages of a pageblock that are freed in any order become one block again, once the per-CPU lists
// are drained, and not before.
TEST(AllocatorPredictionTest, P29_FreedPagesMergeOnceThePerCpuListsAreDrained) {
  for (KernelRelease release : kReleases) {
    SCOPED_TRACE(static_cast<int>(release));
    PageAllocator allocator(*MemoryMap::Pc(uint64_t{1} << 30), 1, AllocatorRules::Of(release));
    const uint64_t whole = allocator.FreeBlocks(model::kMaxOrder);
    std::vector<FrameNumber> pages;
    for (int i = 0; i < 20'000; ++i) pages.push_back(*allocator.Allocate(Order(0), Migratetype::kMovable));
    workload::Random random(29);
    while (!pages.empty()) {
      std::swap(pages[random.Below(pages.size())], pages.back());
      allocator.Free(pages.back(), Order(0));
      pages.pop_back();
    }
    EXPECT_LT(allocator.FreeBlocks(model::kMaxOrder), whole);
    allocator.DrainPerCpu();
    EXPECT_EQ(allocator.FreeBlocks(model::kMaxOrder), whole);
  }
}

}  // namespace
}  // namespace dmfrag::tests
