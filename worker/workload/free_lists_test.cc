#include "worker/workload/free_lists.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::workload {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::FrameRange;
using model::Migratetype;
using model::Order;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string>& Dump() {
  static const auto& dump = *new std::vector<std::string>{
      "Z DMA 1 4095 3998 3808 176 220 264",
      "C DMA 0 0 0 1",
      "F DMA 9 1 512",
      "Z DMA32 4096 258010 258010 181381 11087 13858 16629",
      "F DMA32 0 2 18093",
      "F DMA32 10 1 76800 75776",
      "C DMA32 0 3 13858 63",
      "P DMA32 0 0 73973 73950",
      "P DMA32 0 5 17580",
      "B DMA32 16384 2 0",
      "",
  };
  return dump;
}

TEST(FreeListsTest, ReadsZonesAndListsInOrder) {
  const auto state = ParseFreeLists(Dump());
  ASSERT_OK(state);
  ASSERT_EQ(state->zones.size(), 2);
  const model::ZoneSnapshot& dma = state->zones[0];
  EXPECT_EQ(dma.bounds, (FrameRange{FrameNumber(1), FrameNumber(4096)}));
  EXPECT_EQ(dma.managed, FrameCount(3840));  // but for what lies below 1 MiB
  ASSERT_EQ(dma.per_cpu.size(), 1);
  const model::ZoneSnapshot& dma32 = state->zones[1];
  EXPECT_EQ(dma32.bounds, (FrameRange{FrameNumber(4096), FrameNumber(262106)}));
  EXPECT_EQ(dma32.managed, FrameCount(258010));
  EXPECT_EQ(dma32.min_mark, FrameCount(11087));
  EXPECT_EQ(dma32.low_mark, FrameCount(13858));
  ASSERT_EQ(dma32.free.size(), 2);
  EXPECT_EQ(dma32.free[0].type, Migratetype::kReclaimable);
  EXPECT_EQ(dma32.free[1].order, Order(10));
  EXPECT_THAT(dma32.free[1].blocks, ElementsAre(FrameNumber(76800), FrameNumber(75776)));
  ASSERT_EQ(dma32.per_cpu.size(), 1);
  EXPECT_EQ(dma32.per_cpu[0].high, 13858);
  EXPECT_EQ(dma32.per_cpu[0].batch, 63);
  ASSERT_EQ(dma32.per_cpu[0].lists.size(), 2);
  EXPECT_THAT(dma32.per_cpu[0].lists[0].blocks, ElementsAre(FrameNumber(73973), FrameNumber(73950)));
  EXPECT_EQ(dma32.per_cpu[0].lists[1].order, Order(1));
  EXPECT_EQ(dma32.per_cpu[0].lists[1].type, Migratetype::kReclaimable);
  ASSERT_EQ(dma32.block_types.size(), 1);
  EXPECT_EQ(dma32.block_types[0], (model::BlockTypeRun{FrameNumber(16384), 2, Migratetype::kUnmovable}));
}

TEST(FreeListsTest, EveryZoneHasTheListsOfEveryProcessor) {
  const auto state =
      ParseFreeLists({"Z DMA 1 4095 3998 3808 176 220 264", "Z DMA32 4096 9 9 9 1 2 3", "C DMA32 2 0 100 63"});
  ASSERT_OK(state);
  EXPECT_EQ(state->zones[0].per_cpu.size(), 3);
  EXPECT_EQ(state->zones[1].per_cpu.size(), 3);
}

TEST(FreeListsTest, ErrorsNameTheLine) {
  const std::string zone = "Z DMA 1 4095 3998 3808 176 220 264";
  const std::vector<std::pair<std::string, std::string>> kCases = {
      {"F DMA 0", "line 2: only 1 numbers"},
      {"F DMA 0 1 x", "line 2: \"x\" is no number"},
      {"F DMA 0 1 -3", "line 2: \"-3\" is no number"},
      {"F DMA 11 1 512", "line 2: order 11"},
      {"F DMA 0 3 512", "line 2: migratetype 3"},
      {"F Normal 0 1 512", "line 2: no Z line of zone Normal"},
      {"P DMA 0 12 512", "transparent huge pages"},
      {"P DMA 9000 0 512", "processor 9000"},
      {"B DMA 0 1 5", "migratetype 5"},
      {"X DMA 1", "expected one of Z, F, C, P, B"},
      {"F", "expected one of Z, F, C, P, B"},
      {zone, "the second of this zone"},
      {"F DMA 0 1 99999999999999999999", "is no number below 2^35"},
  };
  for (const auto& [line, error] : kCases) {
    EXPECT_THAT(std::string(ParseFreeLists({zone, line}).status().message()), HasSubstr(error)) << line;
  }
  EXPECT_THAT(std::string(ParseFreeLists({}).status().message()), HasSubstr("no Z line"));
}

}  // namespace
}  // namespace dmfrag::workload
