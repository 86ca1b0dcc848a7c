#include "worker/workload/capture_interrupts.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::workload {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

constexpr bool kCounted = true;

TEST(CaptureInterruptsTest, InterruptsOfAllProcessorsAreSummedAndCallsRead) {
  const Json step = {{"ipi",
                      {{"CAL", {614, 0, 606}},
                       {"TLB", {9, 9, 9}},
                       {"calls", {{"flush_tlb_all", 3}, {"do_flush_tlb_all", 9}, {"flush_tlb_kernel_range", 600}}}}}};
  const auto interrupts = ParseInterrupts(step, kCounted);
  ASSERT_OK(interrupts);
  ASSERT_TRUE(interrupts->has_value());
  EXPECT_EQ((*interrupts)->function_calls, 1220);
  ASSERT_TRUE((*interrupts)->flushes.has_value());
  EXPECT_EQ((*interrupts)->flushes->flush_tlb_all, 3);
  EXPECT_EQ((*interrupts)->flushes->flush_tlb_kernel_range, 600);
}

TEST(CaptureInterruptsTest, CallsNotListedWereNotMadeIfTheyWereCounted) {
  const Json step = {{"ipi", {{"CAL", {0}}, {"calls", Json::object()}}}};
  const auto counted = ParseInterrupts(step, kCounted);
  ASSERT_OK(counted);
  ASSERT_TRUE((*counted)->flushes.has_value());
  EXPECT_EQ((*counted)->flushes->flush_tlb_all, 0);
  const auto uncounted = ParseInterrupts(step, !kCounted);
  ASSERT_OK(uncounted);
  EXPECT_FALSE((*uncounted)->flushes.has_value());
}

TEST(CaptureInterruptsTest, StrippedCapturesSayNothing) {
  for (const Json& step : {Json::object(), Json{{"ipi", Json::object()}}}) {
    const auto interrupts = ParseInterrupts(step, kCounted);
    ASSERT_OK(interrupts);
    EXPECT_FALSE(interrupts->has_value());
  }
  EXPECT_FALSE(CountsFlushCalls(Json::object()));
  const auto cpus = ParseCpus(Json::object());
  ASSERT_OK(cpus);
  EXPECT_EQ(*cpus, 1u);
}

TEST(CaptureInterruptsTest, BothFunctionsMustHaveProbes) {
  const Json both = {{"kprobe_events",
                      {"p:fl/flush_tlb_all flush_tlb_all", "p:fl/flush_tlb_kernel_range flush_tlb_kernel_range", ""}}};
  EXPECT_TRUE(CountsFlushCalls(both));
  const Json inner = {
      {"kprobe_events",
       {"p:fl/do_flush_tlb_all do_flush_tlb_all", "p:fl/flush_tlb_kernel_range flush_tlb_kernel_range"}}};
  EXPECT_FALSE(CountsFlushCalls(inner));
}

TEST(CaptureInterruptsTest, DamagedCountsAreRefused) {
  EXPECT_THAT(ParseInterrupts(Json{{"ipi", {{"CAL", {-1}}}}}, kCounted),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("CAL is -1")));
  const Json calls = {{"ipi", {{"CAL", {0}}, {"calls", {{"flush_tlb_all", int64_t{1} << 41}}}}}};
  EXPECT_THAT(ParseInterrupts(calls, kCounted),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("flush_tlb_all")));
  EXPECT_THAT(ParseInterrupts(Json{{"ipi", {{"CAL", std::vector<int>(4097)}}}}, kCounted),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("4096")));
  EXPECT_THAT(ParseCpus(Json{{"config", {{"smp", 0}}}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("config.smp")));
  EXPECT_THAT(ParseCpus(Json{{"config", {{"smp", 4097}}}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 to 4096")));
}

}  // namespace
}  // namespace dmfrag::workload
