#include "worker/workload/allocator_capture.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::workload {
namespace {

using model::FrameCount;
using ::testing::HasSubstr;
using Json = nlohmann::json;

Json Capture(const std::string& action) {
  Json capture;
  capture["dmesg_mem"] = {"Zone ranges:",
                          "Memory: 975220K/1048032K available (16384K kernel code, 69124K reserved, 0K cma-reserved)"};
  capture["boot"]["meminfo_kB"]["MemTotal"] = 988740;
  capture["steps"] = {{{"i", 0}, {"action", action}},
                      {{"i", 6},
                       {"action", "dumpfree"},
                       {"freelist",
                        {"Z DMA 1 4095 3998 3808 176 220 264", "Z DMA32 4096 258010 258010 181381 11087 13858 16629",
                         "F DMA32 0 1 5000"}}}};
  return capture;
}

TEST(AllocatorCaptureTest, TheHighestZoneManagesWhatTheBootLogLeaves) {
  const auto dumps = ReadAllocatorDumps(Capture("sleep 1").dump());
  ASSERT_OK(dumps);
  ASSERT_EQ(dumps->size(), 1);
  EXPECT_EQ(dumps->front().step, 6);
  EXPECT_EQ(dumps->front().state.zones.at(0).managed, FrameCount(3840));
  EXPECT_EQ(dumps->front().state.zones.at(1).managed, FrameCount((1048032 - 69124) / 4 - 3840));
}

TEST(AllocatorCaptureTest, SettingMinFreeCountsAgain) {
  const auto dumps = ReadAllocatorDumps(Capture("write /proc/sys/vm/min_free_kbytes 2000").dump());
  ASSERT_OK(dumps);
  EXPECT_EQ(dumps->at(0).state.zones.at(1).managed, FrameCount(988740 / 4 - 3840));
}

TEST(AllocatorCaptureTest, WithoutABootLogItManagesWhatIsPresent) {
  Json capture = Capture("sleep 1");
  capture.erase("dmesg_mem");
  const auto dumps = ReadAllocatorDumps(capture.dump());
  ASSERT_OK(dumps);
  EXPECT_EQ(dumps->at(0).state.zones.at(1).managed, FrameCount(258010));
}

TEST(AllocatorCaptureTest, ErrorsNameTheStep) {
  Json capture = Capture("sleep 1");
  capture["steps"][1]["freelist"].push_back("F DMA32 99 0 1");
  EXPECT_THAT(std::string(ReadAllocatorDumps(capture.dump()).status().message()),
              HasSubstr("step 6: free lists, line 4: order 99"));
  Json fraction = Capture("write /proc/sys/vm/min_free_kbytes 2000");
  fraction["boot"]["meminfo_kB"]["MemTotal"] = 2e48;  // no integer holds it
  EXPECT_THAT(ReadAllocatorDumps(fraction.dump()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("damaged or no capture")));
  EXPECT_THAT(std::string(ReadAllocatorDumps("{").status().message()), HasSubstr("damaged or no capture"));
  EXPECT_THAT(std::string(ReadAllocatorDumps("{}").status().message()), HasSubstr("damaged or no capture"));
}

TEST(AllocatorCaptureTest, ACaptureWithoutDumpsHasNone) {
  Json capture = Capture("sleep 1");
  capture["steps"].erase(1);
  const auto dumps = ReadAllocatorDumps(capture.dump());
  ASSERT_OK(dumps);
  EXPECT_TRUE(dumps->empty());
}

}  // namespace
}  // namespace dmfrag::workload
