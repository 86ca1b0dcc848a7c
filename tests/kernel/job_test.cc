// Jobs that start from captures: a synthetic workload from a boot snapshot, a capture with the model's frames, and a
// trace of the page allocator.
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "proto/support/canonical.h"
#include "proto/support/sha256.h"
#include "tests/kernel/captures.h"
#include "third_party/abseil_extras/check.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/convert/run_job.h"

namespace dmfrag::tests {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;

class Files : public convert::CaptureSource {
 public:
  // The digest by which a spec names it.
  std::string Add(std::string bytes) {
    const std::string digest = ToHex(Sha256(bytes));
    files_[digest] = std::move(bytes);
    return digest;
  }
  absl::StatusOr<std::string> ReadCapture(const std::string& sha256_hex) const override {
    const auto found = files_.find(sha256_hex);
    if (found == files_.end()) return absl::NotFoundError("no such capture");
    return found->second;
  }

 private:
  std::map<std::string, std::string> files_;
};

std::string TraceBytes(const std::string& name) {
  std::ifstream file("tests/kernel/traces/" + name + ".trace.xz", std::ios::binary);
  std::ostringstream content;
  CHECK(file && content << file.rdbuf());
  return content.str();
}

v1::JobSpec Spec(const std::string& text) {
  v1::JobSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(text, &spec)) << text;
  return spec;
}

class JobTest : public ::testing::Test {
 protected:
  // A spec of secret areas on the machine of a capture.
  std::string OnMachineOf(const std::string& capture, const std::string& more) {
    return "machine { boot_snapshot_sha256: \"" + files_.Add(CaptureBytes(capture)) + "\" } " + more;
  }
  std::string ReplayOf(const std::string& capture, const std::string& more) {
    return "cache { none {} } workload { replay { capture_sha256: \"" + files_.Add(CaptureBytes(capture)) + "\" " +
           more + " } }";
  }
  absl::StatusOr<v1::JobResult> TryRun(const std::string& text) const { return convert::RunJob(Spec(text), files_); }
  v1::JobResult Run(const std::string& text) const {
    const auto result = TryRun(text);
    EXPECT_OK(result) << text;
    return result.value_or(v1::JobResult());
  }

  Files files_;
};

constexpr char kNothingYet[] = "cache { none {} } workload { preset: \"secretmem\" } length { duration_us: 0 }";
constexpr char kSecretAreas[] =
    "workload { mix { users { name: \"secretmem\" secretmem {} } } } length { duration_us: 3000000 }";

TEST_F(JobTest, ASnapshotWithFreeListsGivesTheKernelsOwnMachine) {
  const v1::Metrics before = Run(OnMachineOf("fl-61-1G-a", kNothingYet)).metrics();
  // As the capture has them at the step of its first dump of free lists (6); splits count from there.
  EXPECT_EQ(before.direct_map_4k_kib(), 30568);
  EXPECT_EQ(before.direct_map_2m_kib(), 1017856);
  EXPECT_EQ(before.splits_2m(), 0);
  EXPECT_EQ(before.live_pages(), 0);
  EXPECT_EQ(before.free_pages(), 182961);  // of its F lines
  // Nothing is drawn.
  EXPECT_EQ(Run(OnMachineOf("fl-61-1G-a", std::string(kNothingYet) + " seed: 2")).metrics().free_pages(),
            before.free_pages());
}

TEST_F(JobTest, ASnapshotWithCountsIsDrawnByTheSeed) {
  const auto run = [&](const std::string& seed) {
    return Run(OnMachineOf("frag-61-1G-s3", std::string("cache { none {} }") + kSecretAreas + " seed: " + seed));
  };
  const std::string digest = ResultSha256Hex(run("1"));
  EXPECT_EQ(ResultSha256Hex(run("1")), digest);
  EXPECT_NE(ResultSha256Hex(run("2")), digest);
}

TEST_F(JobTest, EveryCacheTypeAndTableSourceStartsFromASnapshot) {
  for (const std::string cache : {"none {}", "global {}", "none { table_source: TABLE_SOURCE_GROUPED }",
                                  "none { table_source: TABLE_SOURCE_BOOT_RESERVE }"}) {
    const v1::Metrics metrics = Run(OnMachineOf("fl-612-1G-a", "cache { " + cache + " } " + kSecretAreas)).metrics();
    EXPECT_GT(metrics.splits_2m(), 0) << cache;
    EXPECT_GT(metrics.protected_pages(), 100) << cache;
  }
}

TEST_F(JobTest, WhatNoMachineCanStartFromIsRefused) {
  const std::string none = "cache { none {} } workload { preset: \"secretmem\" } ";
  const std::string bytes = R"({"format": "dmtruth-1", "id": "tiny", "kernel": {"pkg": "6.1"}, "config": {"kprobes": true},
    "cpu_flags": {"pse": true}, "using_gb_pages": false, "e820_usable_pfn": [[0, 4096]], "steps": [
    {"i": 0, "action": "dump", "after": {"meminfo_kB": {"DirectMap4k": 2048, "DirectMap2M": 14336},
      "vmstat": {"direct_map_level2_splits": 0, "direct_map_level3_splits": 0},
      "direct_map": [[0, 512, "4k", "0x8000000000000103"], [512, 3584, "2M", "0x8000000000000183"]]}}]})";
  const std::string tiny = files_.Add(bytes);
  EXPECT_THAT(TryRun(none + "machine { boot_snapshot_sha256: \"" + tiny + "\" }"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("machine.boot_snapshot_sha256"), HasSubstr("tiny"), HasSubstr("pagetypeinfo"))));
  EXPECT_THAT(
      TryRun("cache { none {} } workload { replay { capture_sha256: \"" + tiny + "\" frames: REPLAY_FRAMES_MODEL } }"),
      StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr("tiny"), HasSubstr("pagetypeinfo"))));
  EXPECT_THAT(TryRun(OnMachineOf("fl-61-1G-a", none) + " machine { memory_bytes: 1073741824 }"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("machine.memory_bytes"), HasSubstr("boot_snapshot"))));
  EXPECT_THAT(TryRun(OnMachineOf("fl-61-1G-a", none) + " machine { cpus: 4 }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("machine.cpus")));
  EXPECT_THAT(TryRun(OnMachineOf("fl-61-1G-a", ReplayOf("fl-61-1G-a", ""))),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("boot_snapshot")));
}

TEST_F(JobTest, ACaptureRunsWithTheModelsFrames) {
  const std::string text = ReplayOf("bulk-612-2G-a", "frames: REPLAY_FRAMES_MODEL");
  const v1::JobResult result = Run(text);
  const v1::FreeRunningReport& report = result.replay().free_running();
  EXPECT_EQ(result.replay().capture_id(), "bulk-612-2G-a");
  EXPECT_THAT(result.replay().steps(), IsEmpty());
  EXPECT_EQ(report.kernel_splits_2m(), 40);
  EXPECT_THAT(result.metrics().splits_2m(), AllOf(Ge(38), Le(42)));
  // Where the kernel was counted, both sides stand beside each other.
  int counted = 0;
  for (const v1::FreeRunningStep& step : report.steps()) {
    if (step.kernel().free_blocks().empty() || step.model().free_blocks().empty()) continue;
    ++counted;
    EXPECT_EQ(step.kernel().free_blocks_size(), 3);
    EXPECT_EQ(step.model().free_blocks(1).blocks_size(), 11);
    EXPECT_GT(step.kernel().free_blocks(1).blocks(10), 0);
  }
  EXPECT_GT(counted, 0);
  EXPECT_EQ(report.steps().rbegin()->model().split_blocks(), result.metrics().splits_2m());
  // The seed draws the start.
  EXPECT_EQ(ResultSha256Hex(Run(text)), ResultSha256Hex(result));
  EXPECT_NE(ResultSha256Hex(Run(text + " seed: 2")), ResultSha256Hex(result));
}

TEST_F(JobTest, ATraceIsReplayedEventByEvent) {
  const auto traced = [&](const std::string& trace) {
    return "trace_sha256: \"" + files_.Add(TraceBytes(trace)) + "\"";
  };
  const v1::AllocatorReport report = Run(ReplayOf("fl-61-1G-a", traced("fl-61-1G-a"))).replay().allocator();
  int64_t allocations = 0;
  for (const v1::AllocatorStep& step : report.steps()) {
    allocations += step.allocations();
    EXPECT_EQ(step.equal(), step.allocations());
    EXPECT_FALSE(step.has_first());
  }
  EXPECT_EQ(allocations, 4125);
  ASSERT_EQ(report.dumps_size(), 1);
  EXPECT_EQ(report.dumps(0).lists_equal(), report.dumps(0).lists());
  EXPECT_EQ(report.dumps(0).blocks(), 512);
  EXPECT_THAT(report.dumps(0).first_difference(), IsEmpty());
  // Compaction's pages are listed.
  int64_t compacted = 0;
  const v1::JobResult extreme = Run(ReplayOf("extr-612-1G-s124", traced("extr-612-1G-s124")));
  for (const v1::AllocatorStep& step : extreme.replay().allocator().steps()) compacted += step.compaction_pages();
  EXPECT_EQ(compacted, 529 + 379);
}

TEST_F(JobTest, ATraceOfAnotherRunIsRefused) {
  const std::string trace = "trace_sha256: \"" + files_.Add(TraceBytes("fl-61-1G-a")) + "\"";
  EXPECT_THAT(TryRun(ReplayOf("fl-612-1G-a", trace)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("another run")));
  EXPECT_THAT(TryRun(ReplayOf("bulk-612-2G-a", trace)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no dump of free lists")));
  EXPECT_THAT(TryRun(ReplayOf("fl-61-1G-a", trace + " frames: REPLAY_FRAMES_MODEL")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("workload.replay.frames")));
  EXPECT_THAT(TryRun(ReplayOf("fl-61-1G-a", "trace_sha256: \"" + files_.Add(CaptureBytes("fl-61-1G-a")) + "\"")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("trace")));
}

}  // namespace
}  // namespace dmfrag::tests
