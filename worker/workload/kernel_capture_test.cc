#include "worker/workload/kernel_capture.h"

#include <string>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::workload {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A small capture: 16 MiB, one dump, then `steps`.
std::string CaptureText(const std::string& steps, const std::string& more = "") {
  return R"({"format": "dmtruth-1", "id": "tiny", "kernel": {"pkg": "6.1"}, "config": {"kprobes": true},
    "cpu_flags": {"pse": true}, "using_gb_pages": false, "e820_usable_pfn": [[0, 4096]],
    "boot": {"meminfo_kB": {"DirectMap4k": 2048, "DirectMap2M": 14336},
             "vmstat": {"direct_map_level2_splits": 0, "direct_map_level3_splits": 0}},)" +
         more + R"("steps": [
    {"i": 0, "action": "sh early"},
    {"i": 1, "action": "dump", "after": {
      "meminfo_kB": {"DirectMap4k": 2052, "DirectMap2M": 14336},
      "vmstat": {"direct_map_level2_splits": 1, "direct_map_level3_splits": 0, "direct_map_level2_collapses": 2,
                 "direct_map_level3_collapses": 0},
      "direct_map": [[0, 512, "4k", "0x8000000000000103"], [512, 3584, "2M", "0x8000000000000183"]]}})" +
         (steps.empty() ? "" : ", " + steps) + "]}";
}

constexpr char kAfter[] = R"("after": {"meminfo_kB": {"DirectMap4k": 4100, "DirectMap2M": 12288, "DirectMap1G": 0},
    "vmstat": {"direct_map_level2_splits": 2, "direct_map_level3_splits": 0}})";

TEST(KernelCaptureTest, StartsAtTheFirstDump) {
  const auto capture = ReadKernelCapture(CaptureText(""));
  ASSERT_OK(capture);
  const ReplayInput& input = capture->input;
  EXPECT_EQ(input.capture_id, "tiny");
  EXPECT_EQ(input.kernel, "6.1");
  EXPECT_EQ(input.start_step, 1);
  ASSERT_EQ(input.start_runs.size(), 2);
  EXPECT_EQ(input.start_runs[1].level, model::MapLevel::k2M);
  EXPECT_EQ(input.start_counters.direct_map_4k_kib, 2052);
  EXPECT_FALSE(input.start_counters.direct_map_1g_kib.has_value());
  EXPECT_EQ(input.start_counters.level2_collapses, 2);
  EXPECT_TRUE(input.steps.empty());
  EXPECT_EQ(input.limitation, "");
}

TEST(KernelCaptureTest, ReadsTablesOfSplits) {
  const auto capture = ReadKernelCapture(CaptureText(
      R"({"i": 2, "action": "dmat x", "dm": {"attr_changes": [["sdm_invalid", 600, 1, 0, 1, "", ""]],
          "splits": [[0, "2M", 600, 7], [0, "2M", null, 8], [0, "2M", 1030, null]]}, )" +
      std::string(kAfter) + "}"));
  ASSERT_OK(capture);
  ASSERT_EQ(capture->measured.steps.size(), 1);
  EXPECT_EQ(capture->measured.steps[0].events->size(), 2);
  const std::vector<SplitTable> expected = {{model::MapLevel::k2M, model::FrameNumber(512), model::FrameNumber(7)}};
  EXPECT_EQ(capture->measured.steps[0].split_tables, expected) << "where the block and the table are known";
}

TEST(KernelCaptureTest, ReadsCallsWithTheirStepsDownwardsToo) {
  const auto capture = ReadKernelCapture(CaptureText(
      R"({"i": 2, "action": "dmat x", "dm": {"attr_changes": [["cpa", 1000, 3, -5, 2, "0x10", "42"],
          ["sdm_invalid", 600, 1, 0, 1, "", ""], ["cpa_rox", 512, 1, 0, 512, "0x0", "0x8000000000000042"]], "splits": []}, )" +
      std::string(kAfter) + "}"));
  ASSERT_OK(capture);
  ASSERT_EQ(capture->input.steps.size(), 1);
  const ReplayStep& step = capture->input.steps.front();
  EXPECT_EQ(step.source, RequestSource::kCpaCalls);
  ASSERT_EQ(step.calls.size(), 3);
  EXPECT_EQ(step.calls[0].op, CpaCall::Op::kChange);
  EXPECT_EQ(step.calls[0].count, 3);
  EXPECT_EQ(step.calls[0].step, -5);
  EXPECT_EQ(step.calls[0].pages_each, model::FrameCount(2));
  EXPECT_EQ(step.calls[0].set, model::EntryFlags(model::EntryFlags::kCacheDisable));
  EXPECT_EQ(step.calls[0].clear, model::EntryFlags(model::EntryFlags::kWritable | model::EntryFlags::kDirty));
  EXPECT_EQ(step.calls[1].op, CpaCall::Op::kSetDirectMapInvalid);
  EXPECT_EQ(step.calls[2].op, CpaCall::Op::kRox);
  EXPECT_TRUE(step.calls[2].clear.Has(model::EntryFlags::kNoExecute));
  ASSERT_EQ(capture->measured.steps.size(), 1);
  EXPECT_EQ(capture->measured.steps[0].counters->level2_splits, 2);
}

TEST(KernelCaptureTest, FramesOfSecretPagesStandForCallsThatWereNotRecorded) {
  const auto capture = ReadKernelCapture(
      CaptureText(R"({"i": 2, "action": "psecret a 2 2", "pfns": [{"name": "a0", "n": 2, "list": [700, null]},
                      {"name": "a1", "n": 1, "list": [900]}]},
                     {"i": 3, "action": "anonpfn b 1", "pfns": [{"name": "b", "n": 1, "list": [800]}]})"));
  ASSERT_OK(capture);
  ASSERT_EQ(capture->input.steps.size(), 2);
  const ReplayStep& secret = capture->input.steps[0];
  EXPECT_EQ(secret.source, RequestSource::kFrames);
  ASSERT_EQ(secret.calls.size(), 2);
  EXPECT_EQ(secret.calls[0].first, model::FrameNumber(700));
  EXPECT_EQ(secret.calls[1].first, model::FrameNumber(900));
  EXPECT_EQ(capture->input.steps[1].source, RequestSource::kNone);
  EXPECT_TRUE(capture->measured.steps.empty());
}

TEST(KernelCaptureTest, CallsBetweenStepsCountWithTheLaterOne) {
  const auto capture = ReadKernelCapture(
      CaptureText(R"({"i": 2, "action": "free a"}, {"i": 3, "action": "sleep 1"})",
                  R"("trace": {"outside_steps": {"-1": {"attr_changes": [["cpa", 1, 1, 0, 1, "0x2", "0x0"]]},
          "-2": {"attr_changes": [["cpa", 600, 1, 0, 1, "0x0", "0x2"]]},
          "-3": {"attr_changes": [["cpa", 700, 1, 0, 1, "0x0", "0x2"]]}}},)"));
  ASSERT_OK(capture);
  ASSERT_EQ(capture->input.steps[0].calls.size(), 1);
  EXPECT_EQ(capture->input.steps[0].calls[0].first, model::FrameNumber(600));
  ASSERT_EQ(capture->input.steps[1].calls.size(), 1);
  EXPECT_EQ(capture->input.steps[1].calls[0].first, model::FrameNumber(700));
  EXPECT_EQ(capture->input.steps[1].source, RequestSource::kCpaCalls);
}

TEST(KernelCaptureTest, SaysWhichStepWasNotRecorded) {
  const std::string load = R"({"i": 2, "action": "insmod crc16"})";
  EXPECT_EQ(ReadKernelCapture(CaptureText(load))->input.limitation, "");
  const std::string around = R"({"i": 2, "action": "traceon"}, {"i": 3, "action": "insmod a"},
      {"i": 4, "action": "traceoff"}, {"i": 5, "action": "insmod b"}, {"i": 6, "action": "rmmod b"})";
  const auto capture = ReadKernelCapture(CaptureText(around));
  ASSERT_OK(capture);
  EXPECT_THAT(capture->input.limitation, AllOf(HasSubstr("step 5 (insmod b)"), HasSubstr("not recorded")));
}

TEST(KernelCaptureTest, WithoutADumpTheStartIsTheBootRule) {
  std::string text = CaptureText("");
  text.replace(text.find("\"direct_map\""), 12, "\"another_one\"");
  const auto capture = ReadKernelCapture(text);
  ASSERT_OK(capture);
  EXPECT_FALSE(capture->input.start_step.has_value());
  EXPECT_EQ(capture->input.start_counters.direct_map_4k_kib, 2048);
  EXPECT_EQ(capture->input.steps.size(), 2);
  EXPECT_EQ(capture->measured.steps.size(), 1);
  EXPECT_THAT(capture->input.limitation, HasSubstr("no dump"));
}

TEST(KernelCaptureTest, RefusesWhatIsNoCapture) {
  const auto wrong = [](const std::string& text, const std::string& because) {
    EXPECT_THAT(ReadKernelCapture(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(because))) << text;
  };
  wrong("", "JSON");
  wrong("[1, 2]", "format");
  wrong("{\"format\": \"dmtruth-2\"}", "dmtruth-2");
  wrong("{\"format\": 7}", "damaged");
  wrong(CaptureText("").substr(0, 300), "damaged");
  wrong(
      "\xfd"
      "7zXZ" +
          std::string(1, '\0') + "rest",
      ".xz");
  wrong(CaptureText(R"({"i": 2, "action": "x", "dm": {"attr_changes": [["cpb", 1, 1, 0, 1, "", ""]]}})"), "cpb");
  wrong(CaptureText(R"({"i": 2, "action": "x", "dm": {"attr_changes": [["cpa", 1, 2, -5, 1, "", ""]]}})"),
        "leaves memory");
  wrong(CaptureText(R"({"i": 2, "action": "x", "dm": {"attr_changes": [["cpa", 1, 0, 1, 1, "", ""]]}})"), "step 2");
  wrong(CaptureText(R"({"i": 2, "action": "x", "dm": {"attr_changes": [["cpa", 1, 1, 0, 1, "0xg", ""]]}})"),
        "hexadecimal");
  wrong(CaptureText(R"({"i": 2, "action": "secret a", "pfns": [{"list": [-4]}]})"), "");
  wrong(CaptureText(R"({"i": "two", "action": "secret a"})"), "damaged");
  wrong(CaptureText(R"({"i": 2, "action": "x", "dm": {"attr_changes": [["cpa", 1, 1, 0, 1, "", ""]],
                    "splits": [[9223372036854775807, "2M", 512, 7]]}})"),
        "the number of a call");
  wrong(CaptureText(R"({"i": 2e48, "action": "secret a"})"), "damaged");  // no integer holds it
}

}  // namespace
}  // namespace dmfrag::workload
