#include "worker/model/tlb_flushes.h"

#include "gtest/gtest.h"

namespace dmfrag::model {
namespace {

// As the captures of 1 to 8 processors show.
TEST(TlbFlushesTest, RangesAbove33PagesFlushAll) {
  EventCounters events;
  const TlbFlushes flushes(8);
  flushes.FlushRange(FrameCount(33), events);
  EXPECT_EQ(events.flushes_range, 1);
  EXPECT_EQ(events.flushes_all, 0);
  EXPECT_EQ(events.flush_ipis, 7);
  flushes.FlushRange(FrameCount(34), events);
  EXPECT_EQ(events.flushes_range, 1);
  EXPECT_EQ(events.flushes_all, 1);
  EXPECT_EQ(events.flush_ipis, 14);
}

TEST(TlbFlushesTest, OneProcessorInterruptsNobody) {
  EventCounters events;
  TlbFlushes(1).FlushAll(events);
  EXPECT_EQ(events.flushes_all, 1);
  EXPECT_EQ(events.flush_ipis, 0);
}

}  // namespace
}  // namespace dmfrag::model
