// replay against a scripted server: the upload, the experiment, the comparison.

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "client/testing/fake_server.h"
#include "client/testing/program_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

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

TEST_F(ReplayTest, CsvHasARowPerStep) {
  const std::string file = Write("a.json", "{}");
  server_.results.results = {ReplayResult(0, "a")};
  v1::ReplayReport& report = *server_.results.results[0].mutable_result()->mutable_replay();
  AddStep(report, 3, 100, 100, true);
  report.mutable_steps(0)->mutable_measured()->set_direct_map_1g_kib(7);
  const std::string out = Run({"replay", file, "-o", "csv"}).out;
  EXPECT_THAT(out, EndsWith(file + ",a,6.1.0-56-amd64,3,secret s 3,frames,0,100,0,,0,0,,,100,0,7,0,0,,,0,true,\r\n"));
}

}  // namespace
}  // namespace dmfrag::client
