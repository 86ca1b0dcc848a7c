#include "worker/experiment/page_user.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/policy/none.h"

namespace dmfrag::experiment {
namespace {

using model::FrameNumber;
using model::Order;
using workload::Operation;
using workload::Protection;

// A cache that keeps every order-0 page freed past it.
class GreedyCache : public policy::CacheType {
 public:
  std::string name() const override { return "greedy"; }
  std::optional<FrameNumber> Allocate(const policy::PageRequest&) override { return std::nullopt; }
  void Free(FrameNumber) override {}
  bool diverts_frees() const override { return true; }
  bool DivertFree(FrameNumber frame) override {
    taken.push_back(frame);
    return true;
  }
  model::FrameCount Shrink(model::FrameCount) override { return model::FrameCount(0); }
  model::FrameCount shrink_below() const override { return model::FrameCount(0); }
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
    secret_.protection = Protection::kSecretmem;
  }
  ~PageUserTest() override { EXPECT_OK(machine_->CheckInvariants()); }

  bool IsPresent(FrameNumber frame) const {
    return machine_->direct_map().Lookup(frame)->flags.Has(model::EntryFlags::kPresent);
  }

  model::EventCounters events_;
  std::unique_ptr<model::Machine> machine_;
  policy::NoneCache none_;
  Operation secret_;
  Operation ordinary_;
};

TEST_F(PageUserTest, ASecretPageIsNotPresentUntilItIsFreed) {
  const auto page = AllocateFor(secret_, *machine_, none_);
  ASSERT_TRUE(page.has_value());
  EXPECT_FALSE(IsPresent(*page));
  EXPECT_EQ(events_.flushes_range, 1);
  FreeFor(secret_, *page, *machine_, none_);
  EXPECT_TRUE(IsPresent(*page));
  EXPECT_EQ(events_.flushes_range, 1);
  EXPECT_EQ(machine_->allocator().allocated_frames(), model::FrameCount(1));  // the split's page table
}

TEST_F(PageUserTest, OrdinaryPagesKeepTheDirectMapAlone) {
  const auto page = AllocateFor(ordinary_, *machine_, none_);
  ASSERT_TRUE(page.has_value());
  FreeFor(ordinary_, *page, *machine_, none_);
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
  EXPECT_FALSE(AllocateFor(secret_, *machine_, none).has_value());
  EXPECT_EQ(events_.cpa_requests, 1);
  EXPECT_EQ(events_.split_enomem, 1);
  EXPECT_EQ(events_.flushes_range, 0);
  EXPECT_EQ(machine_->allocator().allocated_frames(), allocated);
  EXPECT_EQ(machine_->direct_map().counts(), mapped);
}

TEST_F(PageUserTest, OnlySinglePagesAreOfferedToTheCache) {
  GreedyCache greedy;
  const auto single = AllocateFor(ordinary_, *machine_, greedy);
  ordinary_.order = Order(3);
  const auto block = AllocateFor(ordinary_, *machine_, greedy);
  FreeFor(ordinary_, *block, *machine_, greedy);
  EXPECT_TRUE(greedy.taken.empty());
  ordinary_.order = Order(0);
  FreeFor(ordinary_, *single, *machine_, greedy);
  EXPECT_EQ(greedy.taken, std::vector<FrameNumber>{*single});
}

}  // namespace
}  // namespace dmfrag::experiment
