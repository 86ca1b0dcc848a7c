#include "worker/workload/page_type_info.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::workload {
namespace {

using ::testing::HasSubstr;

constexpr size_t kUnmovable = static_cast<size_t>(model::Migratetype::kUnmovable);
constexpr size_t kMovable = static_cast<size_t>(model::Migratetype::kMovable);
constexpr size_t kReclaimable = static_cast<size_t>(model::Migratetype::kReclaimable);

std::vector<std::string> Text() {
  return {
      "Page block order: 9",
      "Pages per block:  512",
      "",
      "Free pages count per migrate type at order       0      1      2      3      4      5      6      7      8      "
      "9  "
      "   10 ",
      "Node    0, zone    DMA32, type    Unmovable      0      1      0      0      1      1      1      1      1      "
      "1  "
      "    0 ",
      "Node    0, zone    DMA32, type      Movable >100000      0      0      0      0      0      0      0      0     "
      " 0 "
      "   173 ",
      "Node    0, zone    DMA32, type   HighAtomic      7      0      0      0      0      0      0      0      0      "
      "0  "
      "    0 ",
      "Number of blocks type     Unmovable      Movable  Reclaimable   HighAtomic      Isolate ",
      "Node 0, zone    DMA32          123          375            6            0            0 ",
      "Node    1, zone    DMA32, type  Reclaimable      4      0      0      0      0      0      0      0      0      "
      "0  "
      "    0 ",
  };
}

TEST(ParsePageTypeInfoTest, ReadsCountsByNodeZoneTypeAndOrder) {
  const auto zones = ParsePageTypeInfo(Text());
  ASSERT_OK(zones);
  ASSERT_EQ(zones->size(), 2);
  const ZoneTypeCounts& first = zones->at(0);
  EXPECT_EQ(first.node, 0);
  EXPECT_EQ(first.zone, "DMA32");
  EXPECT_EQ(first.free[kUnmovable], (std::array<uint64_t, model::kOrders>{0, 1, 0, 0, 1, 1, 1, 1, 1, 1, 0}));
  EXPECT_EQ(first.free[kMovable][0], 100000);
  EXPECT_TRUE(first.capped);
  EXPECT_EQ(first.free[kMovable][10], 173);
  EXPECT_EQ(first.pageblocks, (std::array<uint64_t, model::kMigratetypes>{123, 375, 6}));
  EXPECT_EQ(zones->at(1).node, 1);
  EXPECT_EQ(zones->at(1).free[kReclaimable][0], 4);
  EXPECT_FALSE(zones->at(1).capped);
}

TEST(ParsePageTypeInfoTest, RefusesWhatIsNoCountAndNamesTheLine) {
  auto lines = Text();
  lines[4] = "Node 0, zone DMA32, type Unmovable 0 1 0 0 1 1 x 1 1 1 0";
  EXPECT_THAT(ParsePageTypeInfo(lines), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("line 5: \"x\"")));
  lines[4] = "Node 0, zone DMA32, type Unmovable 0 1";
  EXPECT_THAT(ParsePageTypeInfo(lines), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("11 counts")));
  lines = Text();
  lines[8] = "Node 0, zone DMA32 123";
  EXPECT_THAT(ParsePageTypeInfo(lines), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("line 9")));
}

TEST(ReadFreeCountsTest, TakesWhatStepsRecordedAndMissesNothingElse) {
  nlohmann::json capture;
  capture["steps"] = {
      {{"i", 0}, {"action", "seed 1"}},
      {{"i", 1}, {"action", "seed 2"}, {"after", nullptr}},
      {{"i", 2}, {"action", "dump"}, {"after", {{"meminfo_kB", {{"MemTotal", 4000}, {"MemFree", 400}}}}}},
      {{"i", 3}, {"action", "dump"}, {"after", {{"pagetypeinfo", Text()}}}}};
  capture["steps"][3]["after"]["buddyinfo"]["DMA"] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  capture["steps"].push_back({{"i", 4}, {"action", "dump"}, {"after", nlohmann::json::object()}});
  capture["steps"][4]["after"]["buddyinfo_nodes"]["1"]["Normal"] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9};
  const auto steps = ReadFreeCounts(capture.dump());
  ASSERT_OK(steps);
  ASSERT_EQ(steps->size(), 3);
  EXPECT_EQ(steps->at(0).step, 2);
  EXPECT_EQ(steps->at(0).mem_total, model::FrameCount(1000));
  EXPECT_EQ(steps->at(0).mem_free, model::FrameCount(100));
  EXPECT_TRUE(steps->at(0).types.empty());
  EXPECT_EQ(steps->at(1).types.size(), 2);
  ASSERT_EQ(steps->at(1).free.size(), 1);
  EXPECT_EQ(steps->at(1).free[0].free[10], 11);
  ASSERT_EQ(steps->at(2).free.size(), 1);
  EXPECT_EQ(steps->at(2).free[0].node, 1);
  EXPECT_EQ(steps->at(2).free[0].free[10], 9);
}

TEST(ReadFreeCountsTest, NamesTheStepThatIsDamaged) {
  nlohmann::json capture;
  capture["steps"] = {{{"i", 7}, {"action", "dump"}, {"after", {{"buddyinfo", {{"DMA", {1, 2}}}}}}}};
  EXPECT_THAT(ReadFreeCounts(capture.dump()), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("step 7")));
  EXPECT_THAT(ReadFreeCounts("{"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("damaged")));
}

TEST(ReadFreeCountsTest, NumbersThatNoIntegerHoldsAreRefused) {
  EXPECT_THAT(ReadFreeCounts(R"({"steps": [{"i": 1, "after": {"meminfo_kB": {"MemFree": 2e48}}}]})"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("damaged or no capture")));
  EXPECT_THAT(ReadFreeCounts(R"({"steps": [{"i": 1.5, "after": {}}]})"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("damaged or no capture")));
}

}  // namespace
}  // namespace dmfrag::workload
