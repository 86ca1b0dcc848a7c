// What holds for every kind of user that changes blocks: nothing is left of it once its objects have ended, and
// whatever happens as many pages are changed as it holds.
#include "worker/experiment/make_page_user.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/machine.h"
#include "worker/model/memory_map.h"
#include "worker/policy/registry.h"
#include "worker/workload/dma.h"
#include "worker/workload/graphics.h"
#include "worker/workload/guest_memory.h"
#include "worker/workload/memory_failure.h"
#include "worker/workload/page_tables.h"
#include "worker/workload/random.h"
#include "worker/workload/secretmem.h"
#include "worker/workload/uncached.h"
#include "worker/workload/xpfo.h"

namespace dmfrag::experiment {
namespace {

using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using model::Order;
using workload::Operation;

struct Kind {
  std::string name;
  workload::ObjectTraffic traffic;
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

std::vector<Kind> Kinds() {
  std::vector<Kind> kinds = {{"secretmem", workload::SecretmemTraffic({})},
                             {"page_tables", workload::PageTablesTraffic({})},
                             {"guest_memory", workload::GuestMemoryTraffic({})},
                             {"xpfo", workload::XpfoTraffic({})},
                             {"memory_failure", workload::MemoryFailureTraffic({})}};
  for (const unsigned order : {0U, 3U, 9U, 10U}) {
    const std::string suffix = "_" + std::to_string(order);
    workload::GraphicsConfig graphics;
    graphics.order = Order(order);
    graphics.pool_per_mille = 50;
    kinds.push_back({"graphics" + suffix, workload::GraphicsTraffic(graphics)});
    workload::UncachedConfig uncached;
    uncached.order = Order(order);
    kinds.push_back({"uncached" + suffix, workload::UncachedTraffic(uncached)});
    workload::DmaConfig dma;
    dma.order = Order(order);
    kinds.push_back({"dma" + suffix, workload::DmaTraffic(dma)});
  }
  return kinds;
}

bool IsDefault(EntryFlags flags) {
  constexpr EntryFlags kNever(EntryFlags::kWriteThrough | EntryFlags::kCacheDisable | EntryFlags::kPat |
                              EntryFlags::kShared);
  return flags.Has(EntryFlags::kPresent) && flags.Has(EntryFlags::kWritable) && flags.Without(kNever) == flags;
}

class EveryKindTest : public ::testing::TestWithParam<std::tuple<Kind, std::string, model::KernelRelease>> {
 protected:
  const workload::ObjectTraffic& traffic() const { return std::get<0>(GetParam()).traffic; }

  void Boot(const model::MemoryMap& memory) {
    machine_ = *model::Machine::Create(
        {.memory = memory, .mapping = {}, .cpus = 4, .cpa_release = std::get<model::KernelRelease>(GetParam())});
    machine_->ChargeTo(&events_);
    cache_ = *policy::MakeCache(policy::DefaultConfig(std::get<std::string>(GetParam())), machine_.get());
    supply_ = std::make_unique<PageSupply>(machine_.get(), cache_.get());
    packs_ = std::make_unique<PackPools>(supply_.get());
    user_ = MakePageUser(traffic(), supply_.get(), packs_.get());
    free_at_first_ = FreePages();
  }

  // Pages that can be had: somebody else has them, down to less than a batch of the per-CPU lists, or to the last.
  void UseUp(bool to_the_last) {
    size_t before = 0;
    do {
      before = others_.size();
      while (const auto page = machine_->allocator().Allocate(Order(0), model::Migratetype::kUnmovable)) {
        others_.insert(*page);
      }
      machine_->allocator().DrainPerCpu();
    } while (to_the_last && others_.size() > before);
    free_at_first_ = FreePages() + others_.size();
  }
  // He frees the first block of the order that is his alone, and `more` pages of any kind.
  void FreeOthers(Order order, uint64_t more) {
    const auto is_his = [&](FrameNumber block) {
      for (FrameNumber frame = block; frame < block + order.frames(); frame = frame + FrameCount(1)) {
        if (!others_.contains(frame)) return false;
      }
      return true;
    };
    const auto found = std::find_if(others_.begin(), others_.end(), [&](FrameNumber frame) {
      return frame == frame.AlignedDown(order.frames()) && is_his(frame);
    });
    ASSERT_NE(found, others_.end());
    const FrameNumber block = *found;
    for (uint64_t i = 0; i < order.frames().raw(); ++i) FreeOther(block + FrameCount(i));
    for (; more > 0; --more) FreeOther(*others_.begin());
    machine_->allocator().DrainPerCpu();
  }
  void FreeOther(FrameNumber page) {
    others_.erase(page);
    machine_->allocator().Free(page, Order(0));
  }

  // As a run does. False: it found no memory.
  bool Create(uint64_t object, uint64_t allocations) {
    const Operation operation = OperationOf(object, allocations);
    std::vector<FrameNumber>& blocks = blocks_[object];
    for (uint64_t left = user_->AllocationsOf(operation); left > 0; --left) {
      const std::optional<FrameNumber> block = user_->Allocate(operation);
      if (!block.has_value()) {
        if (!user_->keeps_parts()) GiveUp(operation);
        return false;
      }
      blocks.push_back(*block);
    }
    const bool done = user_->Protect(operation, blocks);
    if (!done) GiveUp(operation);
    return done;
  }
  void Destroy(uint64_t object) {
    const Operation operation = OperationOf(object, 0);
    user_->Unprotect(operation, blocks_[object]);
    GiveUp(operation);
    blocks_.erase(object);
  }

  uint64_t FreePages() const {
    const model::PageAllocator& allocator = machine_->allocator();
    return allocator.free_frames().raw() + allocator.per_cpu_frames().raw() + cache_->idle_pages().raw();
  }
  uint64_t ChangedPages() const {
    uint64_t pages = 0;
    machine_->direct_map().ForEachRun([&](const model::LeafRun& run) {
      if (!IsDefault(run.flags)) pages += run.frames.raw();
    });
    return pages;
  }
  uint64_t HeldPages() const {
    uint64_t blocks = 0;
    for (const auto& [object, held] : blocks_) blocks += held.size();
    return blocks * traffic().order.frames().raw() + static_cast<uint64_t>(user_->other_pages());
  }

  void ExpectAsManyChangedAsHeld() {
    EXPECT_EQ(ChangedPages(), HeldPages());
    EXPECT_EQ(FreePages() + HeldPages() + static_cast<uint64_t>(events_.table_pages), free_at_first_);
    EXPECT_OK(machine_->CheckInvariants());
    EXPECT_OK(cache_->CheckInvariants());
  }
  void EndAll() {
    while (!blocks_.empty()) Destroy(blocks_.begin()->first);
    user_->Shrink(FrameCount(~uint64_t{0}));
    EXPECT_EQ(user_->other_pages(), 0);
    EXPECT_EQ(HeldPages(), 0U);
  }

  model::EventCounters events_;
  std::unique_ptr<model::Machine> machine_;
  std::unique_ptr<policy::CacheType> cache_;
  std::unique_ptr<PageSupply> supply_;
  std::unique_ptr<PackPools> packs_;
  std::unique_ptr<PageUser> user_;
  std::map<uint64_t, std::vector<FrameNumber>> blocks_;
  std::set<FrameNumber> others_;
  uint64_t free_at_first_ = 0;

 private:
  Operation OperationOf(uint64_t object, uint64_t allocations) const {
    return {.object = object, .allocations = allocations, .order = traffic().order, .type = traffic().type};
  }
  void GiveUp(const Operation& operation) {
    for (const FrameNumber block : blocks_[operation.object]) user_->Free(operation, block);
    blocks_[operation.object].clear();
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, EveryKindTest,
                         ::testing::Combine(::testing::ValuesIn(Kinds()), ::testing::Values("none", "global"),
                                            ::testing::Values(model::KernelRelease::k6_12, model::KernelRelease::k7_3)),
                         [](const auto& info) {
                           return std::get<0>(info.param).name + "_" + std::get<1>(info.param) +
                                  (std::get<2>(info.param) == model::KernelRelease::k7_3 ? "_7_3" : "_6_12");
                         });

TEST_P(EveryKindTest, NothingIsLeftOnceAllObjectsHaveEnded) {
  Boot(*model::MemoryMap::Pc(uint64_t{1} << 30));
  workload::Random random(1);
  const uint64_t blocks_at_once = uint64_t{16384} >> traffic().order.raw();
  for (uint64_t object = 0; object < 60; ++object) {
    ASSERT_TRUE(Create(object, 1 + random.Next() % (blocks_at_once / 10 + 1)));
    if (object >= 10 && blocks_.contains(object - random.Next() % 10)) Destroy(blocks_.begin()->first);
    if (object % 20 == 19) ExpectAsManyChangedAsHeld();
  }
  EXPECT_GT(HeldPages(), 0U);
  EndAll();
  ExpectAsManyChangedAsHeld();
}

// One zone, so that the last page that can be had is the same for all.
model::MemoryMap OneZone() { return *model::MemoryMap::FromUsableRanges({{16 << 20, 256 << 20}}); }

TEST_P(EveryKindTest, RunningOutOfMemoryMidwayLeavesNothingBehind) {
  Boot(OneZone());
  UseUp(/*to_the_last=*/true);
  uint64_t failed = 0;
  for (uint64_t object = 0; object < 12; ++object) {
    for (size_t pages = 3 * 1024; pages > 0 && !others_.empty(); --pages) FreeOther(*others_.begin());
    machine_->allocator().DrainPerCpu();
    if (!Create(object, uint64_t{6000} >> traffic().order.raw())) ++failed;
    EXPECT_EQ(ChangedPages(), HeldPages());
  }
  EXPECT_GT(failed, 3U);
  while (!others_.empty()) FreeOther(*others_.begin());
  EndAll();
  ExpectAsManyChangedAsHeld();
}

TEST_P(EveryKindTest, AChangeThatFindsNoPageTableLeavesNothingBehind) {
  const bool changes_whole_entries =
      traffic().order >= model::kPageblockOrder && traffic().permission->unit == workload::Permission::Unit::kBlock;
  uint64_t failed = 0;
  for (uint64_t more = 0; more < 4; ++more) {
    Boot(OneZone());
    events_ = {};
    blocks_.clear();
    others_.clear();
    UseUp(/*to_the_last=*/traffic().order > Order(0));
    if (traffic().order > Order(0)) FreeOthers(traffic().order, more);
    if (!Create(0, 1)) ++failed;
    EXPECT_EQ(ChangedPages(), HeldPages());
    EXPECT_EQ(events_.split_enomem > 0, HeldPages() == 0);
    while (!others_.empty()) FreeOther(*others_.begin());
    EndAll();
    ExpectAsManyChangedAsHeld();
  }
  EXPECT_EQ(failed > 0, !changes_whole_entries);
}

}  // namespace
}  // namespace dmfrag::experiment
