// replay against a scripted server: the upload, the experiment, the comparison.

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "client/testing/fake_server.h"
#include "client/testing/program_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/recording/writer.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

using nlohmann::json;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// SHA-256 of "{}" (sha256sum).
constexpr char kEmptyObjectName[] = "captures/44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

void AddStep(v1::ReplayReport& report, int index, int64_t predicted_4k, int64_t measured_4k, bool changed) {
  v1::ReplayStep& step = *report.add_steps();
  step.set_index(index);
  step.set_action("secret s " + std::to_string(index));
  step.set_source(v1::REQUEST_SOURCE_FRAMES);
  step.mutable_predicted()->set_direct_map_4k_kib(predicted_4k);
  step.mutable_measured()->set_direct_map_4k_kib(measured_4k);
  step.set_difference(std::abs(predicted_4k - measured_4k));
  step.set_changed(changed);
}

v1::Result ReplayResult(int64_t point, const std::string& id) {
  v1::Result result;
  result.set_point(point);
  result.set_state(v1::JOB_STATE_SUCCEEDED);
  v1::ReplayReport& report = *result.mutable_result()->mutable_replay();
  report.set_capture_id(id);
  report.set_kernel("6.1.0-56-amd64");
  return result;
}

class ReplayTest : public testing::Test {
 protected:
  ReplayTest() {
    v1::Experiment& experiment = server_.experiments.experiment;
    experiment.set_name("experiments/3");
    experiment.set_state(v1::EXPERIMENT_STATE_DONE);
    server_.experiments.watches = {{.states = {experiment}, .end = grpc::Status::OK}};
    server_.Start();
    world_.variables["DMFRAG_SERVER"] = server_.address();
  }

  std::string Write(const std::string& name, const std::string& content) {
    const std::filesystem::path path = server_.folder() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  ProgramResult Run(const std::vector<std::string>& arguments) { return RunIn(world_, arguments); }

  FakeServer server_;
  ProgramWorld world_;
};

TEST_F(ReplayTest, UploadsTheFileAndSubmitsItsReplay) {
  const std::string file = Write("secret-61-1g.json", "{}");
  server_.results.results = {ReplayResult(0, "secret-61-1g")};
  const ProgramResult result = Run({"replay", file});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_EQ(server_.captures.contents.at(kEmptyObjectName), "{}");
  ASSERT_THAT(server_.experiments.created, SizeIs(1));
  const v1::Experiment& sent = server_.experiments.created[0].experiment();
  EXPECT_EQ(sent.display_name(), "replay secret-61-1g");
  EXPECT_TRUE(sent.base().cache().has_none());
  ASSERT_EQ(sent.axes_size(), 1);
  EXPECT_EQ(sent.axes(0).path(), "workload");
  EXPECT_EQ("captures/" + sent.axes(0).values(0).spec().workload().replay().capture_sha256(), kEmptyObjectName);
  EXPECT_EQ(sent.axes(0).values(0).label(), "secret-61-1g");
  EXPECT_TRUE(server_.results.listed.at(0).with_details());
}

TEST_F(ReplayTest, ACaptureThatTheServerHasIsNotSentAgain) {
  const std::string file = Write("a.json", "{}");
  server_.results.results = {ReplayResult(0, "a")};
  Run({"replay", file});
  Run({"replay", file});
  EXPECT_EQ(server_.captures.streams, 1);
}

TEST_F(ReplayTest, ABrokenUploadGoesOnWhereItBroke) {
  const std::string content = "{" + std::string(3 << 20, ' ') + "}";
  const std::string file = Write("large.json", content);
  server_.captures.break_at = 1 << 20;
  server_.results.results = {ReplayResult(0, "large")};
  const ProgramResult result = Run({"replay", file});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_EQ(server_.captures.streams, 2);
  ASSERT_THAT(server_.captures.contents, SizeIs(1));
  EXPECT_TRUE(server_.captures.contents.begin()->second == content);
  EXPECT_LE(server_.captures.largest_chunk, 1u << 20);
}

TEST_F(ReplayTest, StepsWithChangeAreComparedAndSummedUp) {
  const std::string file = Write("a.json", "{}");
  server_.results.results = {ReplayResult(0, "a")};
  v1::ReplayReport& report = *server_.results.results[0].mutable_result()->mutable_replay();
  report.set_start_step(2);
  AddStep(report, 3, 100, 100, true);
  AddStep(report, 4, 100, 100, false);
  const ProgramResult result = Run({"replay", file});
  EXPECT_EQ(result.code, ExitCode::kOk);
  EXPECT_EQ(
      result.out,
      "a, kernel 6.1.0-56-amd64, from the dump at step 2; counters in KiB and counts, predicted/measured where they "
      "differ\n"
      "step  action      source  DirectMap4k  DirectMap2M  2M splits  1G splits  difference\n"
      "   3  secret s 3  frames          100            0          0          0           0\n"
      "2 steps, 2 exact; 1 with change, 1 exact; max |difference| 0\n");
  EXPECT_THAT(Run({"replay", file, "--steps", "all"}).out, HasSubstr("   4  secret s 4"));
}

TEST_F(ReplayTest, AnUnexplainedDifferenceIsAMismatch) {
  const std::string file = Write("a.json", "{}");
  server_.results.results = {ReplayResult(0, "a")};
  v1::ReplayReport& report = *server_.results.results[0].mutable_result()->mutable_replay();
  AddStep(report, 3, 104, 100, false);
  const ProgramResult differs = Run({"replay", file});
  EXPECT_EQ(differs.code, ExitCode::kMismatch);
  EXPECT_THAT(differs.out, HasSubstr("104/100"));
  EXPECT_THAT(differs.out, EndsWith("1 steps, 0 exact; 0 with change, 0 exact; max |difference| 4\n"));
  report.set_limitation("the capture has no dump");
  const ProgramResult explained = Run({"replay", file});
  EXPECT_EQ(explained.code, ExitCode::kOk);
  EXPECT_THAT(explained.out, HasSubstr("limitation: the capture has no dump\n"));
}

TEST_F(ReplayTest, AWholeFolderGivesOneObject) {
  Write("runs/a.json", "{}");
  Write("runs/b.json", "{ }");
  Write("runs/copy-of-a.json", "{}");
  Write("runs/deep/none.json.xz", "no xz");
  Write("runs/empty.json", "");
  Write("runs/README.md", "not looked at");
  // In the order of the files: a, b.
  server_.results.results = {ReplayResult(0, "a"), ReplayResult(1, "b")};
  v1::ReplayReport& a = *server_.results.results[0].mutable_result()->mutable_replay();
  a.set_start_step(1);
  AddStep(a, 2, 8, 8, true);
  v1::ReplayStep& split = *a.mutable_steps(0);
  v1::MapEvent& event = *split.add_events();
  event.set_request(5);
  event.set_level(3);
  event.set_pfn(262144);
  split.mutable_event_comparison()->set_recorded(1);
  split.mutable_event_comparison()->set_in_place(1);
  split.mutable_dump()->set_entries(9);
  split.mutable_dump()->set_equal_entries(9);
  v1::CallComparison& calls = *split.add_calls();
  calls.set_user("secretmem");
  calls.set_recorded(3);
  calls.set_generated(2);
  calls.set_equal(2);
  calls.set_learned(1);
  a.add_steps()->set_index(3);  // stripped of its measurement
  a.mutable_boot()->mutable_predicted()->set_direct_map_4k_kib(4);
  v1::ReplayReport& b = *server_.results.results[1].mutable_result()->mutable_replay();
  b.set_limitation("lost events");
  AddStep(b, 2, 8, 5, true);
  AddStep(b, 3, 9, 9, false);
  const ProgramResult result = Run({"replay", "--all", (server_.folder() / "runs").native(), "-o", "json"});
  EXPECT_EQ(result.code, ExitCode::kJobsFailed) << result.err;
  ASSERT_THAT(server_.experiments.created, SizeIs(1));
  EXPECT_EQ(server_.experiments.created[0].experiment().axes(0).values_size(), 2);
  const json document = json::parse(result.out);
  EXPECT_EQ(document["captures"], 5);
  EXPECT_EQ(document["steps"], 4);
  EXPECT_EQ(document["steps_with_change"], 3);
  EXPECT_EQ(document["exact_steps"], 3);
  EXPECT_EQ(document["exact_steps_with_change"], 2);
  EXPECT_EQ(document["max_abs_difference"], 3);
  EXPECT_EQ(document["map_events"]["in_place"], 2);  // the copy of a counts again
  EXPECT_EQ(document["calls"],
            json::parse(R"([{"user": "secretmem", "recorded": 6, "generated": 4, "equal": 4, "learned": 2}])"));
  EXPECT_EQ(document["boot"], json::parse(R"({"captures": 0, "exact": 0})"));
  ASSERT_EQ(document["per_capture"].size(), 5u);
  const json& first = document["per_capture"][0];
  EXPECT_EQ(first["capture"], "a");
  EXPECT_EQ(first["kernel"], "6.1.0-56-amd64");
  EXPECT_EQ(first["start_step"], 1);
  EXPECT_EQ(first["limitation"], nullptr);
  EXPECT_EQ(first["steps"], 1);
  EXPECT_EQ(first["predictions"].size(), 2u);
  EXPECT_EQ(first["predictions"][0]["map_events"],
            json::parse(R"([{"request": 5, "event": "split", "level": "1G", "pfn": 262144}])"));
  EXPECT_EQ(first["predictions"][1]["measured"], nullptr);
  EXPECT_EQ(first["dumps"], json::parse(R"({"dumps": 1, "equal_dumps": 1, "entries": 9, "equal_entries": 9})"));
  EXPECT_EQ(first["boot"]["predicted"]["direct_map_4k_kib"], 4);
  EXPECT_EQ(first["boot"]["measured"], nullptr);
  EXPECT_EQ(first["flushes"], json::array());
  EXPECT_EQ(first["error"], nullptr);
  EXPECT_EQ(document["per_capture"][1]["limitation"], "lost events");
  EXPECT_EQ(document["per_capture"][1]["start_step"], nullptr);
  EXPECT_EQ(document["per_capture"][2]["capture"], "a");
  EXPECT_THAT(document["per_capture"][2]["file"].get<std::string>(), EndsWith("copy-of-a.json"));
  EXPECT_THAT(document["per_capture"][3]["error"].get<std::string>(), HasSubstr("is no capture"));
  EXPECT_THAT(document["per_capture"][4]["error"].get<std::string>(), HasSubstr("is empty"));
}

TEST_F(ReplayTest, ASplitInAnotherPlaceIsAMismatchThoughTheCountersAgree) {
  const std::string file = Write("a.json", "{}");
  server_.results.results = {ReplayResult(0, "a")};
  v1::ReplayReport& report = *server_.results.results[0].mutable_result()->mutable_replay();
  AddStep(report, 3, 100, 100, true);
  report.mutable_steps(0)->mutable_event_comparison()->set_recorded(3);
  report.mutable_steps(0)->mutable_event_comparison()->set_in_place(2);
  report.mutable_steps(0)->mutable_event_comparison()->set_unrecorded(1);
  const ProgramResult result = Run({"replay", file});
  EXPECT_EQ(result.code, ExitCode::kMismatch);
  EXPECT_THAT(result.out,
              EndsWith("3 splits and collapses recorded, 2 predicted at their request and entry, 1 predicted "
                       "beside them\n"));
}

TEST_F(ReplayTest, AJobThatFailsIsAnEntryWithItsReason) {
  const std::string file = Write("a.json", "{}");
  v1::Result failed = ReplayResult(0, "");
  failed.set_state(v1::JOB_STATE_FAILED);
  failed.set_failure("the capture has no key \"format\"");
  failed.clear_result();
  server_.results.results = {failed};
  const ProgramResult result = Run({"replay", file});
  EXPECT_EQ(result.code, ExitCode::kJobsFailed);
  EXPECT_THAT(result.out, HasSubstr("error: the capture has no key \"format\""));
}

TEST_F(ReplayTest, WhatIsNoCaptureReachesNoServer) {
  for (const std::string& file :
       {Write("text.json", "hello"), Write("empty.json", ""), std::string("/no/such.json"), std::string("/tmp")}) {
    const ProgramResult result = Run({"replay", file});
    EXPECT_EQ(result.code, ExitCode::kUsage) << file;
    EXPECT_THAT(result.err, testing::StartsWith("dmfrag: " + file + ": is "));
  }
  EXPECT_EQ(Run({"replay"}).code, ExitCode::kUsage);
  EXPECT_EQ(Run({"replay", "--all", "/no/such"}).code, ExitCode::kUsage);
  EXPECT_THAT(server_.experiments.created, IsEmpty());
}

// A recording without events, of a kernel of which nothing but its release is known.
std::string Recording(const std::string& release = "") {
  v1::RecordingStart start;
  if (!release.empty()) start.mutable_before()->set_kernel_release(release);
  std::string bytes;
  const auto writer = recording::Writer::Create(
      [&](std::string_view part) {
        bytes.append(part);
        return absl::OkStatus();
      },
      start);
  EXPECT_OK(writer.status());
  v1::RecordingEnd end;
  v1::RecordingUser& user = *end.add_users();
  user.set_name("slab");
  user.set_kind("slab");
  EXPECT_OK((*writer)->Finish(end));
  return bytes;
}

v1::Result RecordingResult(int64_t point, int64_t live_pages, int64_t splits) {
  v1::Result result = ReplayResult(point, "r");
  v1::RecordingReport& report = *result.mutable_result()->mutable_replay()->mutable_recording();
  report.set_events(1000);
  report.set_recorded_live_pages(40);
  report.set_live_pages(live_pages);
  report.set_kernel_splits_2m(7);
  for (int order = 0; order < 11; ++order) {
    report.add_kernel_free_blocks(order + 1);
    report.add_free_blocks(order + 2);
  }
  report.add_limitations("the direct map was not read");
  v1::Metrics& metrics = *result.mutable_result()->mutable_metrics();
  metrics.set_splits_2m(splits);
  metrics.set_flushes_all(3);
  metrics.set_flushes_range(4);
  metrics.set_held_pages(12);
  return result;
}

TEST_F(ReplayTest, ARecordingRunsUnderEveryCacheNamed) {
  const std::string file = Write("build.dmrec", Recording());
  server_.results.results = {RecordingResult(0, 40, 6), RecordingResult(0, 40, 8), RecordingResult(1, 40, 2)};
  const ProgramResult result = Run({"replay", file, "--cache", "none,per-user", "--seeds", "2"});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  ASSERT_THAT(server_.experiments.created, SizeIs(1));
  const v1::Experiment& sent = server_.experiments.created[0].experiment();
  EXPECT_EQ(sent.display_name(), "replay build");
  EXPECT_EQ(sent.replicates(), 2U);
  EXPECT_EQ(sent.base().machine().memory_bytes(), uint64_t{4} << 30);
  EXPECT_THAT(sent.base().workload().recording().file_sha256(), SizeIs(64));
  ASSERT_EQ(sent.axes(0).values_size(), 2);
  EXPECT_TRUE(sent.axes(0).values(1).spec().cache().has_per_user());
  EXPECT_EQ(result.out,
            "cache     events  live pages  2M splits  flushes  idle pages  failed\n"
            "(kernel)    1000          40          7        -           -       0\n"
            "none        1000      40 ± 0     7 ± 13    7 ± 0      12 ± 0   0 ± 0\n"
            "per_user    1000          40          2        7          12       0\n"
            "\n"
            "free blocks of order      0      1      2      3      4      5      6      7       8       9      10\n"
            "kernel                    1      2      3      4      5      6      7      8       9      10      11\n"
            "none                  2 ± 0  3 ± 0  4 ± 0  5 ± 0  6 ± 0  7 ± 0  8 ± 0  9 ± 0  10 ± 0  11 ± 0  12 ± 0\n"
            "per_user                  2      3      4      5      6      7      8      9      10      11      12\n"
            "limitation: the direct map was not read\n");
  const json object = json::parse(Run({"replay", file, "--cache", "none,per-user", "-o", "json"}).out);
  EXPECT_EQ(object["kernel_splits_2m"], 7);
  EXPECT_EQ(object["caches"][0]["splits_2m"]["mean"], 7.0);
  EXPECT_TRUE(object["caches"][1]["splits_2m"]["ci95"].is_null());
  EXPECT_THAT(Run({"replay", file, "--cache", "none,per-user", "-o", "csv"}).out,
              HasSubstr("\r\nper_user,,1,1000,40,7,40,,2,,7,,12,,0,,1,2,2,3,"));
}

TEST_F(ReplayTest, ARecordingIsReplayedByItsKernelsRules) {
  server_.results.results = {RecordingResult(0, 40, 6)};
  EXPECT_EQ(Run({"replay", Write("a.dmrec", Recording("6.14.2-amd64"))}).code, ExitCode::kOk);
  EXPECT_EQ(Run({"replay", Write("b.dmrec", Recording())}).code, ExitCode::kOk);
  ASSERT_THAT(server_.experiments.created, SizeIs(2));
  const v1::KernelSpec& kernel = server_.experiments.created[0].experiment().base().kernel();
  EXPECT_EQ(kernel.allocator_release(), v1::KERNEL_RELEASE_6_12);
  EXPECT_EQ(kernel.cpa_release(), v1::KERNEL_RELEASE_6_12);
  EXPECT_FALSE(server_.experiments.created[1].experiment().base().has_kernel());
}

TEST_F(ReplayTest, WrongUseOfARecordingReachesNoServer) {
  const std::string whole = Recording();
  const std::string file = Write("a.dmrec", whole);
  const std::string cut = Write("cut.dmrec", whole.substr(0, whole.size() - 3));
  const auto error = [&](const std::vector<std::string>& arguments) {
    const ProgramResult result = Run(arguments);
    EXPECT_EQ(result.code, ExitCode::kUsage);
    return result.err;
  };
  EXPECT_THAT(error({"replay", cut}), testing::StartsWith("dmfrag: " + cut + ": "));
  EXPECT_THAT(error({"replay", file, "--cache", "globul"}), HasSubstr("--cache: no cache type"));
  EXPECT_THAT(error({"replay", file, "--cache", "none,none"}), HasSubstr("none is there twice"));
  EXPECT_THAT(error({"replay", file, "--memory", "4G"}), HasSubstr("--memory: "));
  EXPECT_THAT(error({"replay", file, file}), HasSubstr("name it alone"));
  EXPECT_THAT(error({"replay", file, "--frames", "model"}), HasSubstr("leave them out of a recording"));
  EXPECT_THAT(error({"replay", Write("b.json", "{}"), "--cache", "none"}), HasSubstr("are for recordings"));
  EXPECT_THAT(server_.experiments.created, IsEmpty());
}

TEST_F(ReplayTest, CsvHasARowPerStep) {
  const std::string file = Write("a.json", "{}");
  server_.results.results = {ReplayResult(0, "a")};
  v1::ReplayReport& report = *server_.results.results[0].mutable_result()->mutable_replay();
  AddStep(report, 3, 100, 100, true);
  report.mutable_steps(0)->mutable_measured()->set_direct_map_1g_kib(7);
  const std::string out = Run({"replay", file, "-o", "csv"}).out;
  EXPECT_THAT(out, EndsWith(file + ",a,6.1.0-56-amd64,3,secret s 3,frames,0,100,0,,0,0,,,100,0,7,0,0,,,0,true,\r\n"));
}

// One seed of a replay with the model's frames: 2M splits, predicted against 12 of the kernel's.
v1::Result FreeRunningResult(int64_t point, const std::string& id, int64_t splits, int64_t kernel_splits) {
  v1::Result result = ReplayResult(point, id);
  v1::ReplayReport& replay = *result.mutable_result()->mutable_replay();
  replay.set_start_step(4);
  v1::FreeRunningReport& report = *replay.mutable_free_running();
  report.set_kernel_splits_2m(kernel_splits);
  v1::FreeRunningStep& step = *report.add_steps();
  step.set_index(5);
  step.set_action("secret s 900");
  step.set_source(v1::STEP_SOURCE_EXPANDED);
  for (v1::FreeRunningState* state : {step.mutable_model(), step.mutable_kernel()}) {
    v1::FreeBlocks& blocks = *state->add_free_blocks();
    blocks.set_migratetype(v1::MIGRATETYPE_MOVABLE);
    for (int order = 0; order <= 10; ++order) blocks.add_blocks(order);
  }
  step.mutable_model()->set_splits_2m(splits);
  step.mutable_model()->set_splits_1g(0);
  step.mutable_model()->set_split_blocks(splits);
  step.mutable_model()->set_changed_pages(100 * splits);
  step.mutable_kernel()->set_splits_2m(kernel_splits);
  return result;
}

TEST_F(ReplayTest, WithTheModelsFramesSeedsAreReplicatesAndStepsMeans) {
  const std::string file = Write("a.json", "{}");
  server_.results.results = {FreeRunningResult(0, "a", 12, 12), FreeRunningResult(0, "a", 15, 12)};
  const ProgramResult result = Run({"replay", "--frames=model", "--seeds", "2", file});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  ASSERT_THAT(server_.experiments.created, SizeIs(1));
  const v1::Experiment& sent = server_.experiments.created[0].experiment();
  EXPECT_EQ(sent.replicates(), 2u);
  EXPECT_EQ(sent.axes(0).values(0).spec().workload().replay().frames(), v1::REPLAY_FRAMES_MODEL);
  EXPECT_EQ(
      result.out,
      "a, kernel 6.1.0-56-amd64, from the counts of step 4, mean of 2 seeds; model/kernel, splits of each step\n"
      "step  action        source    2M splits  1G splits  free pages  changed per split block  tables in their block\n"
      "   5  secret s 900  expanded    13.5/12        0/-         -/-                    100/-                    -/-\n"
      "after step 5 (secret s 900):\n"
      "free blocks, order    0    1    2    3    4    5    6    7    8    9     10\n"
      "movable             0/0  1/1  2/2  3/3  4/4  5/5  6/6  7/7  8/8  9/9  10/10\n"
      "capture  2M splits  model   range  error  allowed  within  1G splits  model  remark\n"
      "a               12   13.5  12..15   +1.5      2.0  yes             0    0.0\n"
      "1 of 1 captures in which the kernel split 2M pages lies within max(2, 10 %), 100.0 %; 0 more are not counted\n");
}

TEST_F(ReplayTest, WithTheModelsFramesTheWorstCaptureIsFirst) {
  Write("runs/a.json", "{}");
  Write("runs/b.json", "{ }");
  Write("runs/c.json", "{  }");
  // c split nothing and is not counted; of 40 splits 5 more is worse than of 12 one more.
  server_.results.results = {FreeRunningResult(0, "a", 13, 12), FreeRunningResult(1, "b", 45, 40),
                             FreeRunningResult(2, "c", 3, 0)};
  const std::vector<std::string> command = {"replay", "--frames=model", "--seeds",
                                            "1",      "--all",          (server_.folder() / "runs").native()};
  const ProgramResult table = Run(command);
  EXPECT_THAT(table.out, HasSubstr("b               40   45.0  45..45   +5.0      4.0  no "));
  EXPECT_LT(table.out.find("\nb "), table.out.find("\na "));
  EXPECT_LT(table.out.find("\na "), table.out.find("\nc "));
  EXPECT_THAT(table.out, HasSubstr("not counted\n1 of 2 captures"));
  EXPECT_THAT(table.out, EndsWith("1 captures with at least 20 splits: kernel 40, model 45.0, +12.5 %\n"));
  std::vector<std::string> as_json = command;
  as_json.insert(as_json.end(), {"-o", "json"});
  const json document = json::parse(Run(as_json).out);
  EXPECT_EQ(document["captures"], 3);
  EXPECT_EQ(document["counted"], 2);
  EXPECT_EQ(document["within"], 1);
  EXPECT_EQ(document["per_capture"][0]["capture"], "b");
  EXPECT_EQ(document["per_capture"][0]["splits_2m"]["error"], 5);
  EXPECT_EQ(document["per_capture"][0]["steps"][0]["kernel"]["free_pages"], nullptr);
  EXPECT_EQ(document["per_capture"][0]["steps"][0]["model"]["free_blocks"]["movable"][10], 10);
  EXPECT_EQ(document["per_capture"][2]["counted"], false);
}

TEST_F(ReplayTest, ATraceGoesWithItsCapture) {
  const std::string file = Write("a.json", "{}");
  const std::string trace = Write("a.trace.xz", std::string("\xfd"
                                                            "7zXZ\0trace",
                                                            11));
  v1::Result answer = ReplayResult(0, "a");
  v1::ReplayReport& replay = *answer.mutable_result()->mutable_replay();
  replay.set_start_step(6);
  v1::AllocatorStep& step = *replay.mutable_allocator()->add_steps();
  step.set_index(8);
  step.set_action("secret a 300");
  step.set_allocations(306);
  step.set_equal(305);
  step.set_bulk_pages(7);
  step.mutable_first()->set_line(99);
  step.mutable_first()->set_cause(v1::DIVERGENCE_CAUSE_OTHER_FREE);
  step.mutable_first()->set_kernel_pfn(1000);
  server_.results.results = {answer};
  const ProgramResult result = Run({"replay", "--trace", trace, file});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_THAT(server_.captures.contents, SizeIs(2));
  const v1::Experiment& sent = server_.experiments.created.at(0).experiment();
  EXPECT_THAT(sent.axes(0).values(0).spec().workload().replay().trace_sha256(), SizeIs(64));
  EXPECT_THAT(result.out,
              HasSubstr("line 99: the kernel's frame is on a free list, not next (kernel 1000, model none)"));
  EXPECT_THAT(result.out,
              EndsWith("305 of 306 logged allocations, data and page tables, got the kernel's frame; 7 pages "
                       "were given out without a log; 0 frees of pages whose allocation is missing\n"));
  EXPECT_EQ(json::parse(Run({"replay", "--trace", trace, file, "-o", "json"}).out)["steps"][0]["first"]["line"], 99);
}

TEST_F(ReplayTest, OptionsOfAnotherKindOfReplayAreRefused) {
  const std::string file = Write("a.json", "{}");
  EXPECT_THAT(Run({"replay", "--seeds", "3", file}).err, HasSubstr("--frames=model"));
  EXPECT_THAT(Run({"replay", "-v", file}).err, HasSubstr("--frames=model"));
  EXPECT_EQ(Run({"replay", "--frames=model", "--seeds", "0", file}).code, ExitCode::kUsage);
  EXPECT_THAT(Run({"replay", "--trace", file, file, file}).err, HasSubstr("one capture"));
  EXPECT_THAT(server_.experiments.created, IsEmpty());
}

}  // namespace
}  // namespace dmfrag::client
