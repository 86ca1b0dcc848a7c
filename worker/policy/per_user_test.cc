#include "worker/policy/per_user.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::policy {
namespace {

using model::CpaOutcome;
using model::EventCounters;
using model::FrameCount;
using model::FrameNumber;
using model::Machine;
using model::Order;

class PerUserCacheTest : public ::testing::Test {
 protected:
  PerUserCacheTest() { machine_->ChargeTo(&events_); }
  ~PerUserCacheTest() override {
    EXPECT_OK(cache_.CheckInvariants());
    EXPECT_OK(machine_->CheckInvariants());
  }

  std::vector<FrameNumber> Allocate(uint32_t user, int pages) {
    std::vector<FrameNumber> got;
    for (int i = 0; i < pages; ++i) got.push_back(*cache_.ForUser(user).Allocate({}));
    return got;
  }
  uint64_t Splits() const { return machine_->direct_map_counters().level2_splits; }

  EventCounters events_;
  std::unique_ptr<Machine> machine_ =
      *Machine::Create({.memory = *model::MemoryMap::Pc(uint64_t{1} << 30), .mapping = {}, .cpus = 4});
  PerUserCache cache_{machine_.get(), {}};
};

TEST_F(PerUserCacheTest, EachUserHasABlockOfItsOwn) {
  const std::vector<FrameNumber> first = Allocate(0, 3);
  const std::vector<FrameNumber> second = Allocate(1, 3);
  EXPECT_EQ(events_.refills, 2);
  EXPECT_NE(first[0].AlignedDown(model::kFramesPer2M), second[0].AlignedDown(model::kFramesPer2M));
  EXPECT_EQ(first[2].AlignedDown(model::kFramesPer2M), first[0].AlignedDown(model::kFramesPer2M));
  EXPECT_EQ(cache_.idle_pages(), FrameCount(2 * 509));
  EXPECT_EQ(&cache_.ForUser(1), &cache_.ForUser(1));
}

// Grouped pages are not mapped with 4K entries beforehand.
TEST_F(PerUserCacheTest, TheFirstChangeSplitsAndTheOthersDoNot) {
  const std::vector<FrameNumber> pages = Allocate(0, 512);
  EXPECT_EQ(Splits(), 0u);
  for (const FrameNumber page : pages) {
    ASSERT_EQ(machine_->SetDirectMapInvalidNoflush(page, FrameCount(1)), CpaOutcome::kDone);
  }
  EXPECT_EQ(Splits(), 1u);
}

TEST_F(PerUserCacheTest, APageGoesBackToItsUserAndComesFirst) {
  const FrameNumber page = Allocate(0, 2).front();
  Allocate(1, 1);
  cache_.ForUser(0).Free(page);
  EXPECT_EQ(Allocate(0, 1).front(), page);
  EXPECT_FALSE(cache_.diverts_frees());
}

TEST_F(PerUserCacheTest, TheShrinkerTakesFromTheLongestListFirst) {
  Allocate(0, 412);  // 100 stay
  Allocate(1, 112);  // 400 stay
  EXPECT_EQ(cache_.Shrink(FrameCount(350)), FrameCount(350));
  EXPECT_EQ(cache_.idle_pages(), FrameCount(150));
  Allocate(0, 100);
  EXPECT_EQ(events_.refills, 2);  // user 0 still had all of its own
  EXPECT_EQ(cache_.Shrink(FrameCount(1000)), FrameCount(50));
  EXPECT_EQ(cache_.Shrink(FrameCount(1)), FrameCount(0));
}

TEST_F(PerUserCacheTest, WithoutABlockASinglePageServes) {
  while (machine_->allocator().Allocate(Order(9), model::Migratetype::kUnmovable).has_value()) {
  }
  ASSERT_TRUE(machine_->allocator().Allocate(Order(0), model::Migratetype::kUnmovable).has_value());
  EXPECT_TRUE(cache_.ForUser(0).Allocate({}).has_value());
  EXPECT_EQ(events_.refills_failed, 1);
  EXPECT_EQ(cache_.idle_pages(), FrameCount(0));
}

}  // namespace
}  // namespace dmfrag::policy
