#include <map>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/experiment/make_page_user.h"
#include "worker/policy/none.h"
#include "worker/workload/bpf.h"
#include "worker/workload/ordinary.h"
#include "worker/workload/page_cache.h"
#include "worker/workload/secretmem.h"

namespace dmfrag::experiment {
namespace {

using model::FrameNumber;
using model::Order;
using workload::Operation;

// A cache that keeps every order-0 page freed past it.
class GreedyCache : public policy::CacheType {
 public:
  std::string name() const override { return "greedy"; }
  std::optional<policy::CachedPage> Allocate(const policy::PageRequest&) override { return std::nullopt; }
  void Free(FrameNumber, Order, const policy::CacheUser&, policy::PageState) override {}
  bool checks_frees() const override { return true; }
  bool DivertFree(FrameNumber frame, Order order) override {
    if (order > Order(0)) return false;
    taken.push_back(frame);
    return true;
  }
  model::FrameCount Shrink(model::FrameCount) override { return model::FrameCount(0); }
  model::FrameCount idle_pages() const override { return model::FrameCount(taken.size()); }
  absl::Status CheckInvariants() const override { return absl::OkStatus(); }
  std::vector<FrameNumber> taken;
};

class PageUserTest : public ::testing::Test {
 protected:
  PageUserTest()
      : machine_(
            *model::Machine::Create({.memory = *model::MemoryMap::Pc(uint64_t{1} << 30), .mapping = {}, .cpus = 4})),
        none_(machine_.get()) {
    machine_->ChargeTo(&events_);
  }
  ~PageUserTest() override { EXPECT_OK(machine_->CheckInvariants()); }

  std::unique_ptr<PageUser> Secret(PageSupply& supply) {
    packs_ = std::make_unique<PackPools>(&supply);
    return MakePageUser(workload::SecretmemTraffic({}), &supply, packs_.get());
  }
  std::unique_ptr<PageUser> Ordinary(PageSupply& supply) {
    packs_ = std::make_unique<PackPools>(&supply);
    return MakePageUser(workload::OrdinaryTraffic({}), &supply, packs_.get());
  }

  bool IsPresent(FrameNumber frame) const {
    return machine_->direct_map().Lookup(frame)->flags.Has(model::EntryFlags::kPresent);
  }

  model::EventCounters events_;
  std::unique_ptr<model::Machine> machine_;
  policy::NoneCache none_;
  std::unique_ptr<PackPools> packs_;
  Operation operation_;
};

TEST_F(PageUserTest, ASecretPageIsNotPresentUntilItIsFreed) {
  PageSupply supply(machine_.get(), &none_);
  const auto user = Secret(supply);
  const auto page = user->Allocate(operation_);
  ASSERT_TRUE(page.has_value());
  EXPECT_FALSE(IsPresent(*page));
  EXPECT_EQ(events_.flushes_range, 1);
  user->Free(operation_, *page);
  EXPECT_TRUE(IsPresent(*page));
  EXPECT_EQ(events_.flushes_range, 1);
  EXPECT_EQ(machine_->allocator().allocated_frames(), model::FrameCount(1));  // the split's page table
}

TEST_F(PageUserTest, OrdinaryPagesKeepTheDirectMapAlone) {
  PageSupply supply(machine_.get(), &none_);
  const auto user = Ordinary(supply);
  const auto page = user->Allocate(operation_);
  ASSERT_TRUE(page.has_value());
  user->Free(operation_, *page);
  EXPECT_EQ(events_, model::EventCounters());
}

TEST_F(PageUserTest, AFaultThatFindsNoMemoryForASplitGivesThePageBack) {
  // A machine of one zone, used up but for less than a batch of the per-CPU list: the fault gets a page of the last
  // batch, and the watermark refuses the page table.
  machine_ = *model::Machine::Create(
      {.memory = *model::MemoryMap::FromUsableRanges({{16 << 20, 256 << 20}}), .mapping = {}, .cpus = 4});
  machine_->ChargeTo(&events_);
  policy::NoneCache none(machine_.get());
  while (machine_->allocator().Allocate(Order(0), model::Migratetype::kUnmovable).has_value()) {
  }
  machine_->allocator().DrainPerCpu();
  const model::FrameCount allocated = machine_->allocator().allocated_frames();
  const model::LeafCounts mapped = machine_->direct_map().counts();
  PageSupply supply(machine_.get(), &none);
  EXPECT_FALSE(Secret(supply)->Allocate(operation_).has_value());
  EXPECT_EQ(events_.cpa_requests, 1);
  EXPECT_EQ(events_.split_enomem, 1);
  EXPECT_EQ(events_.flushes_range, 0);
  EXPECT_EQ(machine_->allocator().allocated_frames(), allocated);
  EXPECT_EQ(machine_->direct_map().counts(), mapped);
}

TEST_F(PageUserTest, OnlySinglePagesAreOfferedToTheCache) {
  GreedyCache greedy;
  PageSupply supply(machine_.get(), &greedy);
  const auto user = Ordinary(supply);
  const auto single = user->Allocate(operation_);
  operation_.order = Order(3);
  const auto block = user->Allocate(operation_);
  user->Free(operation_, *block);
  EXPECT_TRUE(greedy.taken.empty());
  operation_.order = Order(0);
  user->Free(operation_, *single);
  EXPECT_EQ(greedy.taken, std::vector<FrameNumber>{*single});
}

// Machines of other releases, for BPF programs.
class BpfUserTest : public ::testing::TestWithParam<model::KernelRelease> {
 protected:
  static constexpr uint64_t kMemory = uint64_t{1} << 30;

  BpfUserTest()
      : machine_(*model::Machine::Create(
            {.memory = *model::MemoryMap::Pc(kMemory), .mapping = {}, .cpus = 2, .cpa_release = GetParam()})),
        none_(machine_.get()),
        supply_(machine_.get(), &none_),
        packs_(&supply_),
        user_(MakePageUser(workload::BpfTraffic({}), &supply_, &packs_)) {
    machine_->ChargeTo(&events_);
    free_at_first_ = FreePages();
  }
  ~BpfUserTest() override { EXPECT_OK(machine_->CheckInvariants()); }

  uint64_t FreePages() const {
    return machine_->allocator().free_frames().raw() + machine_->allocator().per_cpu_frames().raw();
  }

  // Loads a program of so many pages without packs, or bytes of one; false: it found no memory.
  bool Load(uint64_t object, uint64_t pages, uint64_t bytes) {
    Operation operation{.object = object, .allocations = pages, .detail = bytes};
    std::vector<FrameNumber>& blocks = blocks_[object];
    while (blocks.size() < user_->AllocationsOf(operation)) blocks.push_back(*user_->Allocate(operation));
    return user_->Protect(operation, blocks);
  }

  void Unload(uint64_t object) {
    const Operation operation{.object = object};
    user_->Unprotect(operation, blocks_[object]);
    for (const FrameNumber block : blocks_[object]) user_->Free(operation, block);
    blocks_.erase(object);
  }

  bool IsWritable(FrameNumber frame) const {
    return machine_->direct_map().Lookup(frame)->flags.Has(model::EntryFlags::kWritable);
  }
  uint64_t ReadOnlyPages() const {
    uint64_t pages = 0;
    machine_->direct_map().ForEachRun([&](const model::LeafRun& run) {
      if (!run.flags.Has(model::EntryFlags::kWritable)) pages += run.frames.raw();
    });
    return pages;
  }

  model::EventCounters events_;
  std::unique_ptr<model::Machine> machine_;
  policy::NoneCache none_;
  PageSupply supply_;
  PackPools packs_;
  std::unique_ptr<PageUser> user_;
  std::map<uint64_t, std::vector<FrameNumber>> blocks_;
  uint64_t free_at_first_ = 0;
};

using BpfWithoutPacksTest = BpfUserTest;
INSTANTIATE_TEST_SUITE_P(Releases, BpfWithoutPacksTest, ::testing::Values(model::KernelRelease::k5_17));

TEST_P(BpfWithoutPacksTest, AProgramsPagesAreReadOnlyUntilItIsUnloaded) {
  ASSERT_TRUE(Load(0, 3, 320));
  EXPECT_EQ(blocks_[0].size(), 3U);
  for (const FrameNumber frame : blocks_[0]) EXPECT_FALSE(IsWritable(frame));
  EXPECT_EQ(ReadOnlyPages(), 3U);
  EXPECT_EQ(events_.splits_2m, 1);
  EXPECT_EQ(user_->other_pages(), 0);
  Unload(0);
  EXPECT_EQ(ReadOnlyPages(), 0U);
  EXPECT_EQ(events_.splits_2m, 1);
  EXPECT_EQ(FreePages(), free_at_first_ - static_cast<uint64_t>(events_.table_pages));
}

TEST_P(BpfWithoutPacksTest, ALoadThatFindsNoMemoryForASplitChangesNothing) {
  // One zone, used up but for the pages of the last batch: the program gets its page, and no page table.
  machine_ = *model::Machine::Create({.memory = *model::MemoryMap::FromUsableRanges({{16 << 20, 256 << 20}}),
                                      .mapping = {},
                                      .cpus = 2,
                                      .cpa_release = GetParam()});
  machine_->ChargeTo(&events_);
  policy::NoneCache none(machine_.get());
  PageSupply supply(machine_.get(), &none);
  user_ = MakePageUser(workload::BpfTraffic({}), &supply, &packs_);
  while (machine_->allocator().Allocate(Order(0), model::Migratetype::kUnmovable).has_value()) {
  }
  machine_->allocator().DrainPerCpu();
  const model::LeafCounts mapped = machine_->direct_map().counts();
  EXPECT_FALSE(Load(0, 1, 320));
  EXPECT_GT(events_.split_enomem, 0);
  EXPECT_EQ(machine_->direct_map().counts(), mapped);
  EXPECT_EQ(ReadOnlyPages(), 0U);
  for (const FrameNumber block : blocks_[0]) user_->Free({}, block);
}

using BpfPackTest = BpfUserTest;
INSTANTIATE_TEST_SUITE_P(Releases, BpfPackTest,
                         ::testing::Values(model::KernelRelease::k6_1, model::KernelRelease::k6_12,
                                           model::KernelRelease::k6_18, model::KernelRelease::k7_3));

TEST_P(BpfPackTest, ProgramsShareAPackUntilTheLastIsUnloaded) {
  ASSERT_TRUE(Load(0, 3, 320));
  EXPECT_TRUE(blocks_[0].empty());
  EXPECT_EQ(ReadOnlyPages(), 512U);
  const model::EventCounters after_first = events_;
  for (uint64_t object = 1; object < 4000; ++object) ASSERT_TRUE(Load(object, 3, 320));
  EXPECT_EQ(events_, after_first);  // no request for any of them
  EXPECT_EQ(user_->other_pages(), 512);
  for (uint64_t object = 0; object < 3999; ++object) Unload(object);
  EXPECT_EQ(ReadOnlyPages(), 512U);
  Unload(3999);
  EXPECT_EQ(ReadOnlyPages(), 0U);
  EXPECT_EQ(user_->other_pages(), 0);
  EXPECT_EQ(FreePages(), free_at_first_ - static_cast<uint64_t>(events_.table_pages));
}

TEST_P(BpfPackTest, UsersShareTheirPacks) {
  const auto other = MakePageUser(workload::BpfTraffic({}), &supply_, &packs_);
  const std::vector<FrameNumber> none;
  const Operation operation{.detail = 320};
  ASSERT_TRUE(Load(0, 3, 320));
  const model::EventCounters after_first = events_;
  ASSERT_TRUE(other->Protect(operation, none));
  EXPECT_EQ(events_, after_first);
  EXPECT_EQ(other->other_pages(), 0);
  Unload(0);
  EXPECT_EQ(user_->other_pages(), 512);  // it made the pack, which the other one still needs
  other->Unprotect(operation, none);
  EXPECT_EQ(user_->other_pages(), 0);
  EXPECT_EQ(ReadOnlyPages(), 0U);
}

TEST_P(BpfPackTest, APackOfOneBlockSplitsNothing) {
  ASSERT_TRUE(Load(0, 3, 320));
  if (GetParam() >= model::KernelRelease::k7_3) {
    EXPECT_EQ(events_.splits_2m, 0);
  } else {
    EXPECT_GT(events_.splits_2m, 0);
  }
}

TEST_P(BpfPackTest, RoomIsUsedAgainAndFullPacksGetCompany) {
  constexpr uint64_t kPack = uint64_t{2} << 20;
  ASSERT_TRUE(Load(0, 3, kPack / 2));
  ASSERT_TRUE(Load(1, 3, kPack / 2));
  EXPECT_EQ(user_->other_pages(), 512);
  ASSERT_TRUE(Load(2, 3, 1));
  EXPECT_EQ(user_->other_pages(), 1024);
  Unload(0);
  ASSERT_TRUE(Load(3, 3, kPack / 2));  // where 0 was
  EXPECT_EQ(user_->other_pages(), 1024);
  Unload(2);
  EXPECT_EQ(user_->other_pages(), 512);
}

}  // namespace
}  // namespace dmfrag::experiment
