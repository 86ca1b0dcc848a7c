#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "proto/support/canonical.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/convert/aged_start.h"
#include "worker/convert/aged_state_bytes.h"
#include "worker/convert/aged_state_folder.h"
#include "worker/convert/run_config_from_spec.h"
#include "worker/convert/run_job.h"
#include "worker/experiment/run.h"

namespace dmfrag::convert {
namespace {

namespace fs = std::filesystem;

constexpr char kSpec[] = R"pb(
  machine { memory_bytes: 536870912 }
  workload { preset: "secretmem" }
  length { duration_us: 2000000 sample_interval_us: 500000 }
  ageing {
    mix { inherits: "server-months" rate_thousandths: 125 }
    duration_us: 864000000000
  })pb";

v1::JobSpec Spec(const std::string& more = "cache { none {} }") {
  v1::JobSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(kSpec, &spec));
  EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(more, &spec)) << more;
  return spec;
}

v1::JobResult MustRun(const v1::JobSpec& spec, const AgedStateFolder* folder = nullptr) {
  const auto result = RunJob(spec, CaptureDirectory(""), folder);
  EXPECT_OK(result);
  return result.value_or(v1::JobResult());
}

class AgeingTest : public testing::Test {
 protected:
  AgeingTest() : path_(testing::TempDir() + "/aged-" + std::to_string(getpid())) { fs::remove_all(path_); }
  ~AgeingTest() override { fs::remove_all(path_); }

  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    if (!fs::exists(path_)) return files;
    for (const fs::directory_entry& entry : fs::directory_iterator(path_)) files.push_back(entry.path());
    return files;
  }

  const std::string path_;
};

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void Write(const fs::path& path, const std::string& content) { std::ofstream(path, std::ios::binary) << content; }

TEST_F(AgeingTest, AMachineWithMovableZonesAgesToo) {
  const AgedStateFolder folder(path_, AgedStateFolder::kDefaultMaxBytes);
  const auto spec = [](const std::string& machine) { return Spec("cache { none {} } machine { " + machine + " }"); };
  for (const std::string machine : {"movable_per_mille: 400", "hotplug_bytes: 268435456"}) {
    const std::string digest = ResultSha256Hex(MustRun(spec(machine)));
    EXPECT_NE(digest, ResultSha256Hex(MustRun(Spec())));
    EXPECT_EQ(ResultSha256Hex(MustRun(spec(machine), &folder)), digest);  // makes the file
    EXPECT_EQ(ResultSha256Hex(MustRun(spec(machine), &folder)), digest);  // reads it
  }
  EXPECT_EQ(Files().size(), 2u);
}

TEST_F(AgeingTest, AStateThatWasKeptGivesTheSameResult) {
  const AgedStateFolder folder(path_, AgedStateFolder::kDefaultMaxBytes);
  const std::string digest = ResultSha256Hex(MustRun(Spec()));
  EXPECT_EQ(ResultSha256Hex(MustRun(Spec(), &folder)), digest);
  ASSERT_EQ(Files().size(), 1u);
  const auto written = fs::last_write_time(Files().front());
  fs::last_write_time(Files().front(), written - std::chrono::hours(1));
  EXPECT_EQ(ResultSha256Hex(MustRun(Spec(), &folder)), digest);
  // It was read, and noted as used.
  EXPECT_GT(fs::last_write_time(Files().front()), written - std::chrono::hours(1));
}

TEST_F(AgeingTest, AllCachesStartFromTheSameMachine) {
  const AgedStateFolder folder(path_, AgedStateFolder::kDefaultMaxBytes);
  const std::string state = MustRun(Spec(), &folder).aged_state_sha256();
  EXPECT_EQ(state.size(), 64u);
  for (const char* same :
       {"cache { global {} }", "cache { none { table_source: TABLE_SOURCE_GROUPED } }",
        "cache { none {} } machine { cpu_profile: CPU_PROFILE_ZEN_3 cost { isolated_cpus: 1 } }",
        "cache { none {} } kernel { cpa_release: KERNEL_RELEASE_6_1 }", "cache { none {} } length { warmup_us: 7 }"}) {
    EXPECT_EQ(MustRun(Spec(same), &folder).aged_state_sha256(), state) << same;
    EXPECT_EQ(MustRun(Spec(same)).aged_state_sha256(), state) << same;
  }
  EXPECT_EQ(Files().size(), 1u);
  for (const char* other :
       {"cache { none { table_source: TABLE_SOURCE_BOOT_RESERVE } }", "cache { none {} } seed: 2",
        "cache { none {} } kernel { allocator_release: KERNEL_RELEASE_6_1 }", "cache { none {} } machine { cpus: 2 }",
        "cache { none {} } ageing { duration_us: 864000000001 }"}) {
    EXPECT_NE(MustRun(Spec(other), &folder).aged_state_sha256(), state) << other;
  }
  EXPECT_EQ(Files().size(), 6u);
}

TEST_F(AgeingTest, ADamagedFileIsMadeAgain) {
  const AgedStateFolder folder(path_, AgedStateFolder::kDefaultMaxBytes);
  const std::string digest = ResultSha256Hex(MustRun(Spec(), &folder));
  const fs::path file = Files().front();
  const std::string whole = ReadAll(file);
  std::string flipped = whole;
  flipped[flipped.size() / 2] ^= 0x10;
  for (const std::string& damaged : {whole.substr(0, whole.size() / 2), flipped, std::string()}) {
    Write(file, damaged);
    EXPECT_EQ(ResultSha256Hex(MustRun(Spec(), &folder)), digest);
    EXPECT_EQ(ReadAll(file), whole);
  }
}

TEST_F(AgeingTest, AFolderThatCannotBeWrittenCostsTimeAlone) {
  Write(path_, "a file");
  const AgedStateFolder folder(path_, AgedStateFolder::kDefaultMaxBytes);
  EXPECT_THAT(folder.Save("key", "x"), StatusIs(absl::StatusCode::kUnavailable, testing::HasSubstr(path_)));
  EXPECT_EQ(ResultSha256Hex(MustRun(Spec(), &folder)), ResultSha256Hex(MustRun(Spec())));
}

TEST_F(AgeingTest, TheFolderForgetsWhatWasNotUsedForLongest) {
  const auto save = [&](const AgedStateFolder& folder, const std::string& key, int age_hours) {
    EXPECT_OK(folder.Save(key, "content of " + key));
    const std::string path = path_ + "/" + key + ".xz";
    if (fs::exists(path)) fs::last_write_time(path, fs::last_write_time(path) - std::chrono::hours(age_hours));
  };
  const AgedStateFolder large(path_, AgedStateFolder::kDefaultMaxBytes);
  save(large, "a", 3);
  save(large, "b", 2);
  save(large, "c", 1);
  EXPECT_EQ(large.Load("a"), "content of a");  // used now
  const uint64_t size = fs::file_size(path_ + "/a.xz");
  const AgedStateFolder small(path_, 3 * size);
  save(small, "d", 0);
  EXPECT_EQ(small.Load("b"), std::nullopt);
  EXPECT_EQ(small.Load("a"), "content of a");
  EXPECT_EQ(small.Load("c"), "content of c");
  EXPECT_EQ(small.Load("d"), "content of d");
  const AgedStateFolder none(path_, 0);
  save(none, "e", 0);
  EXPECT_EQ(none.Load("e"), std::nullopt);
}

TEST_F(AgeingTest, BytesHoldTheWholeState) {
  const v1::JobSpec whole =
      WithDefaults(*Canonicalize(Spec("cache { none { table_source: TABLE_SOURCE_BOOT_RESERVE } "
                                      "} machine { numa_nodes: 2 }")));
  const auto config = RunConfigFromSpec(whole, CaptureDirectory(""));
  ASSERT_OK(config);
  const auto state = experiment::Age(*config);
  ASSERT_OK(state);
  EXPECT_FALSE(state->free_tables.empty());
  EXPECT_GT(state->survivors.size(), 1000u);
  const std::string bytes = BytesFromAgedState(*state);
  const auto back = AgedStateFromBytes(bytes);
  ASSERT_OK(back);
  EXPECT_EQ(*back, *state);
  for (const std::string& wrong :
       {bytes.substr(0, bytes.size() - 1), bytes + "x", "x" + bytes, std::string(), bytes.substr(0, 40)}) {
    EXPECT_THAT(AgedStateFromBytes(wrong), StatusIs(absl::StatusCode::kDataLoss, testing::HasSubstr("made anew")));
  }
}

// The preset leaves nearly all short-lived traffic out. With twice as much of what it has left, an aged machine comes
// out the same: both means are over days 11 to 20 of three machines.
TEST_F(AgeingTest, ShortLivedTrafficLeavesNearlyNoTrace) {
  const auto mean_index = [](const std::string& passing) {
    int64_t sum = 0;
    int64_t samples = 0;
    for (const char* seed : {"1", "2", "3"}) {
      v1::JobSpec spec;
      EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
          std::string("cache { none {} } machine { memory_bytes: 1073741824 } workload { mix { inherits: "
                      "'server-months' rate_thousandths: 250 users { name: 'passing' ") +
              passing + " } } } length { duration_us: 1728000000000 sample_interval_us: 86400000000 } seed: " + seed,
          &spec));
      const v1::JobResult result = MustRun(spec);
      for (const v1::Series& series : result.time_series().series()) {
        if (series.metric() != "unusable_free_2m_per_mille") continue;
        for (int day = 11; day < series.values_size(); ++day, ++samples) sum += series.values(day);
      }
    }
    EXPECT_EQ(samples, 30);
    return static_cast<double>(sum) / static_cast<double>(samples);
  };
  const double once = mean_index("rate_thousandths: 1000");
  EXPECT_GT(once, 300);
  EXPECT_NEAR(mean_index("rate_thousandths: 2000"), once, 50);
}

}  // namespace
}  // namespace dmfrag::convert
