#include "client/capture/cpu_merge.h"

#include <limits>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

TraceRecord At(uint64_t time_ns, uint16_t cpu, int32_t pid = 1) {
  TraceRecord record;
  record.time_ns = time_ns;
  record.event.cpu = cpu;
  record.pid = pid;
  return record;
}

std::vector<TraceRecord> Emitted(CpuMerge& merge, uint64_t until) {
  std::vector<TraceRecord> emitted;
  EXPECT_OK(merge.EmitUntil(until, [&](const TraceRecord& record) {
    emitted.push_back(record);
    return absl::OkStatus();
  }));
  return emitted;
}

std::vector<uint64_t> Times(const std::vector<TraceRecord>& records) {
  std::vector<uint64_t> times;
  for (const TraceRecord& record : records) times.push_back(record.time_ns);
  return times;
}

TEST(CpuMergeTest, EmitsByTimeAndKeepsWhatIsLater) {
  CpuMerge merge;
  for (const uint64_t time : {10, 40, 50}) merge.Push(At(time, 0));
  for (const uint64_t time : {20, 30, 60}) merge.Push(At(time, 3));
  EXPECT_EQ(merge.latest_ns(), 60u);
  EXPECT_THAT(Times(Emitted(merge, 40)), testing::ElementsAre(10, 20, 30, 40));
  EXPECT_EQ(merge.waiting(), 2u);
  EXPECT_THAT(Times(Emitted(merge, std::numeric_limits<uint64_t>::max())), testing::ElementsAre(50, 60));
}

TEST(CpuMergeTest, AStackGoesToTheRecordItBelongsTo) {
  CpuMerge merge;
  const auto stack = [](uint64_t address) {
    TraceRecord record = At(0, 0);
    record.what = TraceRecord::What::kStack;
    record.stack = {address};
    return record;
  };
  // An interrupt's record and stack stand between a record and its stack.
  merge.Push(At(10, 0));
  merge.Push(At(11, 0));
  merge.Push(stack(0x11));
  merge.Push(stack(0x10));
  const std::vector<TraceRecord> emitted = Emitted(merge, 100);
  ASSERT_EQ(emitted.size(), 2u);
  EXPECT_THAT(emitted[0].stack, testing::ElementsAre(0x10));
  EXPECT_THAT(emitted[1].stack, testing::ElementsAre(0x11));
}

}  // namespace
}  // namespace dmfrag::client
