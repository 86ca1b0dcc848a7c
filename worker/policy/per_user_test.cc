#include <vector>

#include "gtest/gtest.h"
#include "worker/policy/cache_fixture.h"

namespace dmfrag::policy {
namespace {

using model::CpaOutcome;
using model::FrameCount;
using model::FrameNumber;
using model::Order;

class PerUserCacheTest : public CacheFixture {
 protected:
  PerUserCacheTest() { Use("per_user", {}); }
};

TEST_F(PerUserCacheTest, EachUserHasABlockOfItsOwn) {
  const std::vector<FrameNumber> first = Allocate(3, One(0));
  const std::vector<FrameNumber> second = Allocate(3, One(1));
  EXPECT_EQ(events_.refills, 2);
  EXPECT_NE(first[0].AlignedDown(model::kFramesPer2M), second[0].AlignedDown(model::kFramesPer2M));
  EXPECT_EQ(first[2].AlignedDown(model::kFramesPer2M), first[0].AlignedDown(model::kFramesPer2M));
  EXPECT_EQ(cache_->idle_pages(), FrameCount(2 * 509));
}

// Grouped pages are not mapped with 4K entries beforehand.
TEST_F(PerUserCacheTest, TheFirstChangeSplitsAndTheOthersDoNot) {
  const std::vector<FrameNumber> pages = Allocate(512, One(0));
  EXPECT_EQ(Splits(), 0u);
  for (const FrameNumber page : pages) {
    ASSERT_EQ(machine_->SetDirectMapInvalidNoflush(page, FrameCount(1)), CpaOutcome::kDone);
  }
  EXPECT_EQ(Splits(), 1u);
}

TEST_F(PerUserCacheTest, APageGoesBackToItsUserAndComesFirst) {
  const FrameNumber page = Allocate(2, One(0)).front();
  Allocate(1, One(1));
  Free(page, One(0));
  EXPECT_EQ(Allocate(1, One(0)).front(), page);
  EXPECT_FALSE(cache_->checks_frees());
}

TEST_F(PerUserCacheTest, TheShrinkerTakesFromTheLongestListFirst) {
  Allocate(412, One(0));  // 100 stay
  Allocate(112, One(1));  // 400 stay
  EXPECT_EQ(cache_->Shrink(FrameCount(350)), FrameCount(350));
  EXPECT_EQ(cache_->idle_pages(), FrameCount(150));
  Allocate(100, One(0));
  EXPECT_EQ(events_.refills, 2);  // user 0 still had all of its own
  EXPECT_EQ(cache_->Shrink(FrameCount(1000)), FrameCount(50));
  EXPECT_EQ(cache_->Shrink(FrameCount(1)), FrameCount(0));
}

TEST_F(PerUserCacheTest, WithoutABlockASinglePageServes) {
  while (machine_->allocator().Allocate(Order(9), model::Migratetype::kUnmovable).has_value()) {
  }
  ASSERT_TRUE(machine_->allocator().Allocate(Order(0), model::Migratetype::kUnmovable).has_value());
  EXPECT_TRUE(cache_->Allocate({}).has_value());
  EXPECT_EQ(events_.refills_failed, 1);
  EXPECT_EQ(cache_->idle_pages(), FrameCount(0));
}

}  // namespace
}  // namespace dmfrag::policy
