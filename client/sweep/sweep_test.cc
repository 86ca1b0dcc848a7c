#include "client/sweep/sweep.h"

#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

// Of a sweep that names no captures.
absl::StatusOr<v1::Experiment> Parse(std::string_view text, const std::string& filename) {
  std::vector<CaptureFile> captures;
  absl::StatusOr<v1::Experiment> experiment = ParseSweep(text, filename, &captures);
  EXPECT_TRUE(captures.empty());
  return experiment;
}

// Expects that a sweep gives this experiment, in text format; source_text is compared by itself.
void ExpectExperiment(const std::string& sweep, const std::string& expected_text) {
  auto experiment = Parse(sweep, "test.yaml");
  ASSERT_OK(experiment);
  EXPECT_EQ(experiment->source_text(), sweep);
  experiment->clear_source_text();
  v1::Experiment expected;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(expected_text, &expected));
  google::protobuf::util::MessageDifferencer differencer;
  std::string difference;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(expected, *experiment)) << difference;
}

std::vector<std::string> LabelsOf(const std::string& axes) {
  const auto experiment = Parse("axes:\n" + axes, "test.yaml");
  EXPECT_OK(experiment);
  std::vector<std::string> labels;
  if (!experiment.ok()) return labels;
  for (const v1::AxisValue& value : experiment->axes(0).values()) labels.push_back(value.label());
  return labels;
}

TEST(SweepTest, ReadsEverySection) {
  ExpectExperiment(R"(
name: quickstart
base:
  kernel: {cpa_release: "6.1"}
  machine: {memory: 4GiB, cpus: 0x4, gbpages: false}
  workload: secretmem
  length: {duration: 60s, warmup: 0, sample_interval: 500ms, max_operations: 1000}
seed: 42
axes:
  cache: [none, {global: {refill_order: 5}}]
  machine.memory: [1GiB, 4GiB]
replicates: 5
labels: {team: mm}
priority: -3
)",
                   R"pb(
                     display_name: "quickstart"
                     base {
                       kernel { cpa_release: KERNEL_RELEASE_6_1 }
                       machine { memory_bytes: 4294967296 cpus: 4 gbpages: false }
                       workload { preset: "secretmem" }
                       length { duration_us: 60000000 warmup_us: 0 sample_interval_us: 500000 max_operations: 1000 }
                       seed: 42
                     }
                     axes {
                       path: "cache"
                       values {
                         label: "none"
                         spec { cache { none {} } }
                       }
                       values {
                         label: "global refill_order=5"
                         spec { cache { global { refill_order: 5 } } }
                       }
                     }
                     axes {
                       path: "machine.memory_bytes"
                       values {
                         label: "1 GiB"
                         spec { machine { memory_bytes: 1073741824 } }
                       }
                       values {
                         label: "4 GiB"
                         spec { machine { memory_bytes: 4294967296 } }
                       }
                     }
                     replicates: 5
                     labels { key: "team" value: "mm" }
                     priority: -3
                   )pb");
}

TEST(SweepTest, UnitsReachIntoDistributionsAndLists) {
  ExpectExperiment(R"(
name: mix
base:
  machine: {e820: [{start: 0, end: 640KiB}, {start: 1MiB, end: 2GiB}]}
  workload:
    mix:
      users:
        - name: keys
          secretmem:
            interval: {exponential: {mean: 20ms}}
            size-pages: {uniform: {min: 1, max: 64}}
        - name: programs
          ordinary:
            migratetype: Movable
            order: 0
            interval: {empirical: {values: [1ms, 20ms], weights: [9, 1]}}
            size_allocations: {lognormal: {median: 4, sigma: 1.2, max: 512}}
            lifetime: {pareto: {min: 2m, alpha: 1.25}}
)",
                   R"pb(
                     display_name: "mix"
                     base {
                       machine {
                         e820 { end_bytes: 655360 }
                         e820 { start_bytes: 1048576 end_bytes: 2147483648 }
                       }
                       workload {
                         mix {
                           users {
                             name: "keys"
                             secretmem {
                               interval_us { exponential { mean: 20000 } }
                               size_pages { uniform { min: 1 max: 64 } }
                             }
                           }
                           users {
                             name: "programs"
                             ordinary {
                               migratetype: MIGRATETYPE_MOVABLE
                               order: 0
                               interval_us {
                                 empirical {
                                   values: [ 1000, 20000 ]
                                   weights: [ 9, 1 ]
                                 }
                               }
                               size_allocations { lognormal { median: 4 sigma_thousandths: 1200 max: 512 } }
                               lifetime_us { pareto { min: 120000000 alpha_thousandths: 1250 } }
                             }
                           }
                         }
                       }
                     }
                   )pb");
}

TEST(SweepTest, MixesInheritScaleAndHavePhases) {
  ExpectExperiment(R"(
name: mix
base:
  workload:
    mix:
      inherits: secretmem
      rate: 0.5
      remove-users: [file]
      users:
        - {name: anon, rate: 2.25}
      phases:
        - {name: night, start: 20h, duration: 8h, every: 1d, rate: 0.1}
        - {name: deploy, duration: 30s, every: 10m, rates: {anon: 4, secretmem: 0}}
        - {name: listed, duration: 1s, rates: [{user: slab, rate: 1.5}]}
axes:
  workload.mix.rate: [0.5, 1, 12]
)",
                   R"pb(
                     display_name: "mix"
                     base {
                       workload {
                         mix {
                           inherits: "secretmem"
                           rate_thousandths: 500
                           remove_users: "file"
                           users { name: "anon" rate_thousandths: 2250 }
                           phases {
                             name: "night"
                             start_us: 72000000000
                             duration_us: 28800000000
                             every_us: 86400000000
                             rate_thousandths: 100
                           }
                           phases {
                             name: "deploy"
                             duration_us: 30000000
                             every_us: 600000000
                             rates { user: "anon" rate_thousandths: 4000 }
                             rates { user: "secretmem" rate_thousandths: 0 }
                           }
                           phases {
                             name: "listed"
                             duration_us: 1000000
                             rates { user: "slab" rate_thousandths: 1500 }
                           }
                         }
                       }
                     }
                     axes {
                       path: "workload.mix.rate_thousandths"
                       values {
                         label: "0.5"
                         spec { workload { mix { rate_thousandths: 500 } } }
                       }
                       values {
                         label: "1"
                         spec { workload { mix { rate_thousandths: 1000 } } }
                       }
                       values {
                         label: "12"
                         spec { workload { mix { rate_thousandths: 12000 } } }
                       }
                     }
                   )pb");
}

TEST(SweepTest, EveryExampleIsRead) {
  size_t examples = 0;
  for (const auto& entry : std::filesystem::directory_iterator("examples")) {
    if (entry.path().extension() != ".yaml") continue;
    ++examples;
    std::ifstream file(entry.path());
    const std::string text(std::istreambuf_iterator<char>(file), {});
    std::vector<CaptureFile> captures;
    EXPECT_OK(ParseSweep(text, entry.path().native(), &captures)) << entry.path();
    EXPECT_EQ(captures.empty(), text.find(".dmrec") == std::string::npos) << entry.path();
  }
  EXPECT_GE(examples, 3u);
}

// A part of the base's mix may be missing, or wrong, where an axis brings another.
TEST(SweepTest, MixesThatAnAxisChangesAreLeftToTheServer) {
  EXPECT_OK(Parse("base: {workload: {mix: {users: []}}}\naxes: {workload.mix.inherits: [secretmem]}", "test.yaml"));
}

TEST(SweepTest, ScalarsNameMembersBeforePresets) {
  ExpectExperiment("name: n\nbase: {cache: global, workload: noop}\n",
                   R"pb(display_name: "n"
                        base {
                          cache { global {} }
                          workload { noop {} }
                        })pb");
  ExpectExperiment("name: n\nbase: {cache: {none: }, workload: {preset: noop}}\n",
                   R"pb(display_name: "n"
                        base {
                          cache { none {} }
                          workload { preset: "noop" }
                        })pb");
}

TEST(SweepTest, WithoutANameItHasThatOfItsFile) {
  EXPECT_EQ(Parse("base: {cache: none}", "some/where/my-sweep.yaml")->display_name(), "my-sweep");
  EXPECT_EQ(Parse("base: {cache: none}", "caf\xe9\x01.yaml")->display_name(), "caf??");
}

TEST(SweepTest, AliasesOfYamlAreExpanded) {
  ExpectExperiment("name: n\nbase: {length: {duration: &time 5s, warmup: *time}}\n",
                   R"pb(display_name: "n"
                        base { length { duration_us: 5000000 warmup_us: 5000000 } })pb");
}

TEST(SweepTest, JsonIsRead) {
  const auto experiment = Parse(R"({
	"name": "j", "base": {"cache": "none", "machine": {"memory": "1GiB", "cpus": 2}},
	"axes": {"cpus": [1, 2]}, "replicates": 3
})",
                                "sweep.json");
  ASSERT_OK(experiment);
  EXPECT_EQ(experiment->base().machine().memory_bytes(), 1u << 30);
  EXPECT_EQ(experiment->axes(0).path(), "machine.cpus");
  EXPECT_EQ(experiment->replicates(), 3u);
}

TEST(SweepTest, TextprotoIsRead) {
  const std::string text = "display_name: \"t\"\nbase { cache { none {} } }\nreplicates: 2\n";
  const auto experiment = Parse(text, "sweep.txtpb");
  ASSERT_OK(experiment);
  EXPECT_EQ(experiment->display_name(), "t");
  EXPECT_TRUE(experiment->base().cache().has_none());
  EXPECT_EQ(experiment->source_text(), text);
}

TEST(SweepTest, AliasesOfPathsReachTheOnlyMessageThatHasTheField) {
  for (const auto& [written, path] : std::vector<std::pair<std::string, std::string>>{
           {"memory", "machine.memory_bytes"}, {"duration", "length.duration_us"}, {"warmup", "length.warmup_us"}}) {
    const auto experiment = Parse("axes: {" + written + ": [0]}", "test.yaml");
    ASSERT_OK(experiment);
    EXPECT_EQ(experiment->axes(0).path(), path);
  }
  EXPECT_EQ(Parse("axes: {cpa-release: [\"6.1\"]}", "test.yaml")->axes(0).path(), "kernel.cpa_release");
  EXPECT_EQ(Parse("axes: {cache.global.refill-order: [3]}", "test.yaml")->axes(0).path(), "cache.global.refill_order");
}

TEST(SweepTest, LabelsSayWhatTheValueIs) {
  using testing::ElementsAre;
  EXPECT_THAT(LabelsOf("  cache: [none, global, {global: {refill_order: 5, restore: never}}]"),
              ElementsAre("none", "global", "global refill_order=5 restore=never"));
  EXPECT_THAT(LabelsOf("  memory: [256MiB, 1GiB, 64TiB]"), ElementsAre("256 MiB", "1 GiB", "64 TiB"));
  EXPECT_THAT(LabelsOf("  duration: [1500ms, 1m]"), ElementsAre("1500 ms", "1 m"));
  EXPECT_THAT(LabelsOf("  kernel.cpa_release: [\"6.1\", \"7.3\"]"), ElementsAre("6.1", "7.3"));
  EXPECT_THAT(LabelsOf("  kernel: [{cpa_release: \"6.1\"}, {}]"), ElementsAre("cpa_release=6.1", "defaults"));
  EXPECT_THAT(LabelsOf("  gbpages: [true, false]"), ElementsAre("true", "false"));
  EXPECT_THAT(LabelsOf("  workload: [secretmem, {mix: {users: [{name: a, secretmem: {}}, {name: b, secretmem: {}}]}}]"),
              ElementsAre("secretmem", "mix a+b"));
  EXPECT_THAT(LabelsOf("  e820: [[{start: 0, end: 1GiB}], [{start: 0, end: 1GiB}, {start: 4GiB, end: 5GiB}]]"),
              ElementsAre("e820=1", "e820=2"));
}

TEST(SweepTest, LabelsAreUniqueAndShort) {
  const std::vector<std::string> same = LabelsOf(
      "  workload: [{mix: {users: [{name: a, secretmem: {}}]}}, {mix: {users: [{name: a, secretmem: {size_pages: "
      "{constant: {value: 2}}}}]}}]");
  EXPECT_THAT(same, testing::ElementsAre("mix a", "mix a #2"));
  const std::string name(100, 'x');
  const std::vector<std::string> cut = LabelsOf("  workload: [" + name + "1, " + name + "2]");
  EXPECT_THAT(cut, testing::ElementsAre(std::string(64, 'x'), std::string(61, 'x') + " #2"));
}

class CaptureNameTest : public testing::Test {
 protected:
  CaptureNameTest() : folder_(testing::TempDir() + "capture_name_test") {
    std::filesystem::create_directories(folder_ / "captures");
    std::ofstream(folder_ / "captures" / "a.json") << "{}";
    std::ofstream(folder_ / "captures" / "b.json") << "{ }";
  }
  absl::StatusOr<v1::Experiment> ParseHere(const std::string& text) {
    captures_.clear();
    return ParseSweep(text, folder_ / "sweep.yaml", &captures_);
  }

  std::filesystem::path folder_;
  std::vector<CaptureFile> captures_;
};

// SHA-256 of "{}" (sha256sum).
constexpr char kEmptyObject[] = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

TEST_F(CaptureNameTest, AFileIsDigestedRelativeToTheSweep) {
  const auto experiment = ParseHere("base: {cache: none, machine: {boot_snapshot: captures/a.json}}");
  ASSERT_OK(experiment);
  EXPECT_EQ(experiment->base().machine().boot_snapshot_sha256(), kEmptyObject);
  ASSERT_EQ(captures_.size(), 1u);
  EXPECT_EQ(captures_[0].sha256, kEmptyObject);
}

TEST_F(CaptureNameTest, ADigestNamesWhatTheServerHas) {
  for (const std::string key : {"capture", "capture_sha256"}) {
    const auto experiment =
        ParseHere("base: {cache: none, workload: {replay: {" + key + ": " + kEmptyObject + ", frames: model}}}");
    ASSERT_OK(experiment);
    EXPECT_EQ(experiment->base().workload().replay().capture_sha256(), kEmptyObject);
    EXPECT_EQ(experiment->base().workload().replay().frames(), v1::REPLAY_FRAMES_MODEL);
    EXPECT_TRUE(captures_.empty());
  }
}

TEST_F(CaptureNameTest, ARecordingIsAWorkloadWithAMixBeside) {
  const auto experiment = ParseHere(
      "base: {cache: none, workload: {recording: {file: captures/a.json, speed: 2.5, loops: 3, beside: {inherits: "
      "web-server}}}}");
  ASSERT_OK(experiment);
  const v1::RecordingWorkload& recording = experiment->base().workload().recording();
  EXPECT_EQ(recording.file_sha256(), kEmptyObject);
  EXPECT_EQ(recording.speed_thousandths(), 2500u);
  EXPECT_EQ(recording.loops(), 3u);
  EXPECT_EQ(recording.beside().inherits(), "web-server");
  EXPECT_EQ(captures_.size(), 1u);
}

TEST_F(CaptureNameTest, AnAxisOfMachinesIsLabelledByTheirFiles) {
  const auto experiment =
      ParseHere("base: {cache: none}\naxes:\n  boot_snapshot: [captures/a.json, captures/b.json]\n");
  ASSERT_OK(experiment);
  EXPECT_EQ(experiment->axes(0).path(), "machine.boot_snapshot_sha256");
  EXPECT_EQ(experiment->axes(0).values(0).label(), "a.json");
  EXPECT_EQ(experiment->axes(0).values(1).label(), "b.json");
  EXPECT_EQ(captures_.size(), 2u);
}

TEST_F(CaptureNameTest, WhatIsNoCaptureIsAnErrorWithItsPlace) {
  EXPECT_THAT(
      ParseHere("base: {cache: none,\n machine: {boot_snapshot: captures/none.json}}"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               testing::AllOf(testing::HasSubstr("sweep.yaml:2:27: "), testing::HasSubstr("none.json: is no file"))));
}

}  // namespace
}  // namespace dmfrag::client
