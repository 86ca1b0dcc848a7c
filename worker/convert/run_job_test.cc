#include "worker/convert/run_job.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "proto/support/canonical.h"
#include "proto/support/sha256.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::convert {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kMix[] = R"pb(
  workload {
    mix {
      users {
        name: "secretmem"
        secretmem { lifetime_us { exponential { mean: 1000000 } } }
      }
      users {
        name: "anon"
        ordinary {
          migratetype: MIGRATETYPE_MOVABLE
          interval_us { exponential { mean: 20000 } }
          size_allocations { uniform { min: 1 max: 100 } }
          lifetime_us { exponential { mean: 2000000 } }
        }
      }
    }
  }
  machine { memory_bytes: 536870912 }
  length { duration_us: 5000000 })pb";

// The merger of texts, later ones over earlier ones.
v1::JobSpec Spec(const std::string& text, const std::string& more = "") {
  v1::JobSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(text, &spec)) << text;
  EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(more, &spec)) << more;
  return spec;
}

class Captures : public CaptureSource {
 public:
  absl::StatusOr<std::string> ReadCapture(const std::string& sha256_hex) const override {
    const auto found = files.find(sha256_hex);
    if (found == files.end()) return absl::NotFoundError("no such capture");
    return found->second;
  }
  std::map<std::string, std::string> files;
};

v1::JobResult MustRun(const std::string& text, const std::string& more = "") {
  const auto result = RunJob(Spec(text, more), Captures());
  EXPECT_OK(result);
  return result.value_or(v1::JobResult());
}

TEST(RunJobTest, RunsAMixUnderEachCache) {
  for (const std::string cache : {"cache { none {} }", "cache { global {} }"}) {
    const v1::JobResult result = MustRun(cache + kMix);
    EXPECT_EQ(result.outcome(), v1::OUTCOME_COMPLETED);
    EXPECT_GT(result.metrics().splits_2m(), 0);
    EXPECT_GT(result.metrics().operations(), 1000);
    EXPECT_EQ(result.time_series().time_us_size(), 6);
    EXPECT_FALSE(result.has_replay());
  }
}

TEST(RunJobTest, TheDigestIsAFunctionOfTheSpec) {
  const std::string text = std::string("cache { none {} }") + kMix;
  const std::string digest = ResultSha256Hex(MustRun(text));
  EXPECT_EQ(ResultSha256Hex(MustRun(text)), digest);
  // Defaults written down change nothing; another seed does.
  EXPECT_EQ(ResultSha256Hex(MustRun(text, "seed: 1 machine { cpus: 4 pse: true }")), digest);
  EXPECT_NE(ResultSha256Hex(MustRun(text, "seed: 2")), digest);
}

TEST(RunJobTest, EveryFieldOfTheSpecReachesTheModel) {
  const std::string base = std::string("cache { global {} }") + kMix;
  const std::string digest = ResultSha256Hex(MustRun(base));
  for (const std::string change :
       {"machine { cpus: 2 }", "machine { gbpages: false }", "machine { pse: false }",
        "machine { debug_pagealloc: true }", "machine { memory_bytes: 1073741824 }",
        "cache { global { refill_order: 4 } }", "cache { global { shrink_below_free_per_mille: 999 } }",
        "length { duration_us: 6000000 }", "length { warmup_us: 1000000 }", "length { sample_interval_us: 500000 }",
        "length { max_operations: 500 }", "cache { global { table_source: TABLE_SOURCE_GROUPED } }",
        "kernel { cpa_release: KERNEL_RELEASE_6_16 }", "kernel { allocator_release: KERNEL_RELEASE_6_1 }",
        "workload { mix { users { name: \"more\" secretmem {} } } }",
        "ageing { preset: \"server-months\" duration_us: 3600000000 }"}) {
    EXPECT_NE(ResultSha256Hex(MustRun(base, change)), digest) << change;
  }
}

TEST(RunJobTest, ACpuProfileAddsACostAndChangesNothingElse) {
  const std::string base = std::string("cache { none {} }") + kMix;
  const v1::JobResult without = MustRun(base);
  EXPECT_FALSE(without.metrics().has_predicted_cycles());
  v1::JobResult with = MustRun(base, "machine { cpu_profile: CPU_PROFILE_ZEN_3 }");
  EXPECT_GT(with.metrics().predicted_cycles(), with.metrics().predicted_cycles_low());
  EXPECT_GT(with.metrics().predicted_cycles_high(), with.metrics().predicted_cycles());
  EXPECT_TRUE(with.metrics().has_flush_ipis_isolated());
  EXPECT_EQ(with.metrics().splits_2m(), without.metrics().splits_2m());
  EXPECT_EQ(with.time_series().SerializeAsString(), without.time_series().SerializeAsString());
}

TEST(RunJobTest, EveryFieldOfTheCostReachesTheModel) {
  const std::string base = std::string("cache { none {} }") + kMix;
  std::set<std::string> digests;
  const std::vector<std::string> changes = {"",
                                            "cpu_profile: CPU_PROFILE_SKYLAKE_SP",
                                            "cpu_profile: CPU_PROFILE_ICE_LAKE_SP",
                                            "cpu_profile: CPU_PROFILE_SAPPHIRE_RAPIDS",
                                            "cpu_profile: CPU_PROFILE_ZEN_1",
                                            "cpu_profile: CPU_PROFILE_ZEN_4",
                                            "cpu_profile: CPU_PROFILE_ZEN_5",
                                            "cost { isolated_cpus: 2 }",
                                            "cost { sent_interrupts_per_mille: 600 }",
                                            "cost { kernel_working_set_bytes: 123456789 }",
                                            "cost { user_4k_working_set_bytes: 123456789 }",
                                            "cost { user_2m_working_set_bytes: 123456789000 }",
                                            "cost { constants { name: \"page_zero\" cycles: 3 } }",
                                            "cost { constants { name: \"walk_from_l2\" cycles: 3 } }"};
  for (const std::string& change : changes) {
    const std::string profile = change.rfind("cpu_profile", 0) == 0 ? "" : "cpu_profile: CPU_PROFILE_ZEN_3 ";
    EXPECT_TRUE(digests.insert(ResultSha256Hex(MustRun(base, "machine { " + profile + change + " }"))).second)
        << change;
  }
}

// The seed letter's observation, and its remedy: a page table of the buddy allocator lies in the block it splits,
// mostly; one of a reserve or a group never does.
TEST(RunJobTest, TheTableSourceDecidesWhereTablesLie) {
  const auto share = [](const std::string& source) {
    const v1::Metrics metrics = MustRun("cache { none { table_source: " + source +
                                        " } } workload { preset: \"secretmem\" }"
                                        "machine { memory_bytes: 1073741824 } length { duration_us: 10000000 }")
                                    .metrics();
    EXPECT_GT(metrics.splits_2m(), 5) << source;
    EXPECT_EQ(metrics.table_pages(), metrics.splits_2m() + metrics.splits_1g()) << source;
    return static_cast<double>(metrics.table_pages_in_split_block()) / static_cast<double>(metrics.splits_2m());
  };
  EXPECT_GT(share("TABLE_SOURCE_BUDDY"), 0.9);
  EXPECT_EQ(share("TABLE_SOURCE_BOOT_RESERVE"), 0);
  EXPECT_EQ(share("TABLE_SOURCE_GROUPED"), 0);
}

TEST(RunJobTest, AnE820MapGivesTheMachine) {
  const v1::JobResult result = MustRun(
      "cache { none {} } machine { e820 { end_bytes: 268435456 } e820 { start_bytes: 1073741824 end_bytes: 1342177280 "
      "} }"
      "workload { mix { users { name: \"s\" secretmem {} } } } length { duration_us: 1000000 }");
  EXPECT_EQ(result.metrics().direct_map_4k_kib() + result.metrics().direct_map_2m_kib(), 2 * 262144);
}

TEST(RunJobTest, NoopDoesNothing) {
  const v1::JobResult result = MustRun("cache { none {} } workload { noop {} }");
  EXPECT_EQ(result.outcome(), v1::OUTCOME_COMPLETED);
  EXPECT_EQ(result.metrics().ByteSizeLong(), 0);
  EXPECT_EQ(result.attributions_size(), 0);
}

TEST(RunJobTest, PresetsRun) {
  EXPECT_GT(MustRun("cache { none {} } workload { preset: \"secretmem\" } length { duration_us: 2000000 }")
                .metrics()
                .splits_2m(),
            0);
}

// Movable pages find room there, others do not.
TEST(RunJobTest, MovableZonesAndAddedMemoryReachTheModel) {
  const auto run = [](const std::string& type, const std::string& pages, const std::string& machine) {
    return MustRun("cache { none {} } workload { mix { users { name: 'u' ordinary { migratetype: MIGRATETYPE_" + type +
                   " interval_us { constant { value: 10000 } } size_allocations { constant { value: " + pages +
                   " } } lifetime_us { constant { value: 600000000 } } } } } } length { duration_us: 3000000 } "
                   "machine { memory_bytes: 536870912 " +
                   machine + " }")
        .metrics();
  };
  for (const std::string type : {"MOVABLE", "UNMOVABLE"}) {
    const bool movable = type == "MOVABLE";
    EXPECT_EQ(run(type, "200", "").allocations_failed(), 0);
    EXPECT_EQ(run(type, "200", "movable_per_mille: 800").allocations_failed() > 0, !movable);
    EXPECT_GT(run(type, "600", "").allocations_failed(), 0);
    EXPECT_EQ(run(type, "600", "hotplug_bytes: 536870912").allocations_failed() > 0, !movable);
  }
  EXPECT_EQ(run("MOVABLE", "1", "hotplug_bytes: 1073741824").direct_map_1g_kib(),
            run("MOVABLE", "1", "").direct_map_1g_kib() + 1048576);
}

TEST(RunJobTest, BadSpecsAreRefusedByField) {
  const std::map<std::string, std::string> wrong = {
      {"", "cache"},
      {"cache { none {} }", "workload"},
      {"cache { per_user { free_path: FREE_PATH_DIVERT } } workload { noop {} }", "free_path"},
      {"cache { none {} } workload { preset: \"x\" }", "workload.preset"},
      {"cache { none {} } workload { noop {} } machine { memory_bytes: 5 }", "machine.memory_bytes"},
      {"cache { none {} } workload { noop {} } machine { numa_nodes: 8 }", "numa_nodes"},
      {"cache { none {} } workload { noop {} } machine { movable_per_mille: 950 }", "movable_per_mille"},
      {"cache { none {} } workload { mix { users { name: \"a\" bpf { image_bytes { constant { value: 0 } } } } } }",
       "image_bytes"},
      {"cache { none {} } workload { mix { users { name: \"a\" page_cache { read_again_percent: 101 } } } }",
       "read_again_percent"},
      {"cache { none {} } workload { mix { users { name: \"a\" } } }", "needs a kind"},
      {"cache { none {} } workload { mix { users { name: \"a\" ordinary {} } } }", "migratetype"},
      {"cache { none {} } workload { replay { capture_sha256: \"12\" } }", "capture_sha256"},
  };
  for (const auto& [text, field] : wrong) {
    EXPECT_THAT(RunJob(Spec(text), Captures()), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(field))) << text;
  }
}

// Each figure of a kind moves what a run of that kind alone comes to.
TEST(RunJobTest, FiguresOfUsersOfCodeReachTheModel) {
  const auto live = [](const std::string& kind, const std::string& figures) {
    const v1::JobResult result = MustRun(
        "cache { none {} } machine { memory_bytes: 1073741824 } length { duration_us: 10000000 }"
        "workload { mix { users { name: 'u' " +
        kind + " { " + figures + " } } } }");
    EXPECT_EQ(result.metrics().allocations_failed(), 0);
    EXPECT_GT(result.metrics().splits_2m(), 0) << kind;
    return result.metrics().live_pages();
  };
  for (const std::string kind : {"module", "trampoline", "vmalloc"}) {
    const std::string often = "interval_us { constant { value: 100000 } }";
    const std::string size = "size_pages { constant { value: 8 } }";
    const std::string life = "lifetime_us { constant { value: 2000000 } }";
    EXPECT_EQ(live(kind, often + size + life), 20 * 8) << kind;
    EXPECT_GT(live(kind, often + size), 85 * 8) << kind;  // by default few have ended
    EXPECT_EQ(live(kind, often + "size_pages { constant { value: 3 } }" + life), 20 * 3) << kind;
    EXPECT_EQ(live(kind, "interval_us { constant { value: 500000 } }" + size + life), 4 * 8) << kind;
  }
}

TEST(RunJobTest, PageCacheIsReclaimedOtherPagesAreNot) {
  const auto files = [](const std::string& kind) {
    return MustRun("cache { none {} } workload { mix { users { name: 'file' " + kind + R"pb(}
                                                                                            } }
    machine { memory_bytes: 268435456 }
    length { duration_us: 3000000 })pb");
  };
  const v1::JobResult dropped =
      files("page_cache { interval_us { constant { value: 10000 } } size_pages { constant { value: 400 } } }");
  EXPECT_GT(dropped.metrics().pages_reclaimed(), 10000);
  EXPECT_EQ(dropped.metrics().allocations_failed(), 0);
  const v1::JobResult kept = files(
      "ordinary { migratetype: MIGRATETYPE_MOVABLE interval_us { constant { value: 10000 } }"
      " size_allocations { constant { value: 400 } } lifetime_us { constant { value: 600000000 } } }");
  EXPECT_EQ(kept.metrics().pages_reclaimed(), 0);
  EXPECT_GT(kept.metrics().allocations_failed(), 0);
}

constexpr char kCapture[] =
    R"({"format": "dmtruth-1", "id": "tiny", "kernel": {"pkg": "6.1"}, "config": {"kprobes": true},
    "cpu_flags": {"pse": true}, "using_gb_pages": false, "e820_usable_pfn": [[0, 4096]], "steps": [
    {"i": 0, "action": "dump", "after": {"meminfo_kB": {"DirectMap4k": 2048, "DirectMap2M": 14336},
      "vmstat": {"direct_map_level2_splits": 0, "direct_map_level3_splits": 0},
      "direct_map": [[0, 512, "4k", "0x8000000000000103"], [512, 3584, "2M", "0x8000000000000183"]]}},
    {"i": 1, "action": "secret a 1", "dm": {"attr_changes": [["sdm_invalid", 600, 1, 0, 1, "", ""]], "splits": []},
      "after": {"meminfo_kB": {"DirectMap4k": 4096, "DirectMap2M": 12288},
      "vmstat": {"direct_map_level2_splits": 1, "direct_map_level3_splits": 0}}}]})";

TEST(RunJobTest, ReplaysACapture) {
  Captures captures;
  const std::string digest = ToHex(Sha256(kCapture));
  const v1::JobSpec spec = Spec("cache { none {} } workload { replay { capture_sha256: \"" + digest + "\" } }");
  EXPECT_THAT(RunJob(spec, captures), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no such")));
  captures.files[digest] = std::string(kCapture) + " ";
  EXPECT_THAT(RunJob(spec, captures), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(digest)));
  captures.files[digest] = kCapture;
  const auto result = RunJob(spec, captures);
  ASSERT_OK(result);
  EXPECT_EQ(result->replay().capture_id(), "tiny");
  EXPECT_EQ(result->metrics().replay_steps(), 1);
  EXPECT_EQ(result->metrics().replay_exact_steps(), 1);
  EXPECT_EQ(result->metrics().splits_2m(), 1);
  EXPECT_FALSE(result->has_time_series());
}

TEST(CaptureDirectoryTest, ErrorsNameThePlaceAndTheRemedy) {
  EXPECT_THAT(CaptureDirectory("").ReadCapture("ab"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("--captures")));
  EXPECT_THAT(CaptureDirectory("/nonexistent").ReadCapture("ab"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nonexistent/ab")));
}

const std::string& MixOnNone() {
  static const auto& text = *new std::string(std::string("cache { none {} }") + kMix);
  return text;
}

TEST(RunJobTest, RatesAndPhasesReachTheModel) {
  const int64_t plain = MustRun(MixOnNone()).metrics().splits_2m();
  ASSERT_GT(plain, 0);
  // Off from the beginning: nothing happens at all.
  const v1::JobResult off =
      MustRun(MixOnNone(), "workload { mix { phases { name: 'off' duration_us: 60000000 rate_thousandths: 0 } } }");
  EXPECT_EQ(off.metrics().splits_2m(), 0);
  // One user alone is off.
  const v1::JobResult no_secrets = MustRun(MixOnNone(),
                                           "workload { mix { phases { name: 'off' duration_us: 60000000 rates { user: "
                                           "'secretmem' rate_thousandths: 0 } } } }");
  EXPECT_EQ(no_secrets.metrics().splits_2m(), 0);
  EXPECT_GT(no_secrets.metrics().live_pages(), off.metrics().live_pages());
  // Everything comes four times as often.
  EXPECT_GT(MustRun(MixOnNone(), "workload { mix { rate_thousandths: 4000 } }").metrics().splits_2m(), plain);
}

TEST(RunJobTest, EveryDistributionReachesTheModel) {
  const std::string around[] = {
      "workload { mix { users { name: 'more' ordinary { migratetype: MIGRATETYPE_MOVABLE "
      "interval_us { exponential { mean: 20000 } } lifetime_us { constant { value: 90000000 } } "
      "size_allocations { ",
      " } } } } }"};
  const int64_t plain = MustRun(MixOnNone()).metrics().live_pages();
  for (const std::string shape :
       {"lognormal { median: 20 sigma_thousandths: 900 }", "lognormal { median: 20 p99: 200 max: 500 }",
        "pareto { min: 10 alpha_thousandths: 1500 }", "empirical { values: [20, 200] weights: [9, 1] }"}) {
    const int64_t taken = MustRun(MixOnNone(), around[0] + shape + around[1]).metrics().live_pages() - plain;
    EXPECT_GT(taken, 250 * 15) << shape;  // 250 objects of 25 to 40 pages in 5 s
    EXPECT_LT(taken, 250 * 60) << shape;
  }
}

}  // namespace
}  // namespace dmfrag::convert
