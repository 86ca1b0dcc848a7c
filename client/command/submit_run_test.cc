// submit, run, wait, watch and cancel against a scripted server: what is sent, what is printed, how it ends.

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>

#include "client/testing/fake_server.h"
#include "client/testing/program_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::SizeIs;

// An experiment of two points with one replicate, cache none and global.
v1::Experiment TwoPoints(v1::ExperimentState state, int64_t succeeded, int64_t failed) {
  v1::Experiment experiment;
  experiment.set_name("experiments/7");
  experiment.set_display_name("two");
  experiment.set_points(2);
  experiment.set_state(state);
  experiment.mutable_counts()->set_total(2);
  experiment.mutable_counts()->set_succeeded(succeeded);
  experiment.mutable_counts()->set_failed(failed);
  experiment.mutable_counts()->set_queued(2 - succeeded - failed);
  experiment.add_axes()->set_path("cache");
  return experiment;
}

v1::Result ResultOf(int64_t point, const std::string& label, int64_t splits) {
  v1::Result result;
  result.set_name("jobs/" + std::to_string(point + 1));
  result.set_state(v1::JOB_STATE_SUCCEEDED);
  result.set_point(point);
  result.set_replicate(0);
  result.add_axis_labels(label);
  result.mutable_result()->mutable_metrics()->set_splits_2m(splits);
  return result;
}

class SubmitRunTest : public testing::Test {
 protected:
  SubmitRunTest() {
    server_.experiments.experiment = TwoPoints(v1::EXPERIMENT_STATE_DONE, 2, 0);
    server_.experiments.watches = {
        {.states = {TwoPoints(v1::EXPERIMENT_STATE_ACTIVE, 0, 0), TwoPoints(v1::EXPERIMENT_STATE_ACTIVE, 1, 0),
                    TwoPoints(v1::EXPERIMENT_STATE_DONE, 2, 0)},
         .end = grpc::Status::OK}};
    server_.results.results = {ResultOf(0, "none", 12), ResultOf(1, "global", 3)};
    server_.Start();
    world_.variables["DMFRAG_SERVER"] = server_.address();
    sweep_ = (server_.folder() / "two.yaml").native();
    std::ofstream(sweep_) << "base: {workload: secretmem}\naxes: {cache: [none, global]}\n";
  }

  ProgramResult Run(const std::vector<std::string>& arguments) { return RunIn(world_, arguments); }

  FakeServer server_;
  ProgramWorld world_;
  std::string sweep_;
};

TEST_F(SubmitRunTest, SubmitSendsTheSweepAndPrintsItsName) {
  const ProgramResult result = Run({"submit", sweep_, "--no-cache"});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_EQ(result.out, "experiments/7\n");
  ASSERT_THAT(server_.experiments.created, SizeIs(1));
  const v1::CreateExperimentRequest& request = server_.experiments.created[0];
  EXPECT_EQ(request.experiment().display_name(), "two");
  EXPECT_EQ(request.experiment().axes(0).values_size(), 2);
  EXPECT_THAT(request.experiment().source_text(), HasSubstr("axes: {cache: [none, global]}"));
  EXPECT_TRUE(request.no_cache());
  EXPECT_FALSE(request.validate_only());
  // RFC 4122, version 4.
  EXPECT_THAT(request.request_id(),
              MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
}

TEST_F(SubmitRunTest, EachSubmitHasARequestIdOfItsOwnUnlessOneIsGiven) {
  Run({"submit", sweep_});
  Run({"submit", sweep_});
  const std::string given = "11111111-2222-4333-8444-555555555555";
  Run({"submit", sweep_, "--request-id", given});
  ASSERT_THAT(server_.experiments.created, SizeIs(3));
  EXPECT_NE(server_.experiments.created[0].request_id(), server_.experiments.created[1].request_id());
  EXPECT_EQ(server_.experiments.created[2].request_id(), given);
}

TEST_F(SubmitRunTest, AServerThatStartsIsAskedAgainWithTheSameRequestId) {
  server_.experiments.create_refusals = 2;
  EXPECT_EQ(Run({"submit", sweep_}).code, ExitCode::kOk);
  ASSERT_THAT(server_.experiments.created, SizeIs(3));
  EXPECT_EQ(server_.experiments.created[0].request_id(), server_.experiments.created[2].request_id());
}

TEST_F(SubmitRunTest, DryRunChecksAndCounts) {
  const ProgramResult result = Run({"submit", sweep_, "--dry-run"});
  EXPECT_EQ(result.code, ExitCode::kOk);
  EXPECT_EQ(result.out, "two: 2 points, 2 jobs; nothing was submitted\n");
  EXPECT_TRUE(server_.experiments.created.at(0).validate_only());
  EXPECT_THAT(server_.experiments.created.at(0).request_id(), IsEmpty());
  EXPECT_EQ(server_.experiments.watches_served, 0);
}

TEST_F(SubmitRunTest, AWrongFileIsOneLineAndReachesNoServer) {
  std::ofstream(sweep_) << "base: {cache: globel}\n";
  const ProgramResult result = Run({"run", sweep_});
  EXPECT_EQ(result.code, ExitCode::kUsage);
  EXPECT_EQ(result.err,
            "dmfrag: " + sweep_ +
                ":1:15: unknown name \"globel\"; allowed: none, debug_pagealloc, global, per_user, "
                "migratetype, unmapped_buddy, hierarchical, rox_pack, freetype (did you mean \"global\"?)\n");
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(server_.experiments.created, IsEmpty());
}

TEST_F(SubmitRunTest, AMissingFileIsAUsageError) {
  const ProgramResult result = Run({"submit", "/no/such.yaml"});
  EXPECT_EQ(result.code, ExitCode::kUsage);
  EXPECT_EQ(result.err, "dmfrag: /no/such.yaml: No such file or directory; name a sweep file\n");
}

TEST_F(SubmitRunTest, WhatTheServerRefusesNamesTheFile) {
  server_.experiments.create_status = {grpc::StatusCode::INVALID_ARGUMENT, "machine.memory_bytes: too small"};
  const ProgramResult result = Run({"submit", sweep_});
  EXPECT_EQ(result.code, ExitCode::kUsage);
  EXPECT_EQ(result.err, "dmfrag: " + sweep_ + ": machine.memory_bytes: too small\n");
}

TEST_F(SubmitRunTest, RunShowsProgressOnErrAndTheTableOnOut) {
  const ProgramResult result = Run({"run", sweep_});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_THAT(result.err, HasSubstr("experiments/7  0/2 jobs (0 %)\n"));
  EXPECT_THAT(result.err, EndsWith("experiments/7  2/2 jobs (100 %)\n"));
  EXPECT_THAT(result.out, HasSubstr("none       1        12 "));
  EXPECT_THAT(result.out, HasSubstr("global     1         3*"));
}

TEST_F(SubmitRunTest, ATerminalGetsOneLineThatIsRewritten) {
  world_.err_is_terminal = true;
  const ProgramResult result = Run({"watch", "e7"});
  EXPECT_EQ(result.code, ExitCode::kOk);
  EXPECT_THAT(result.err, testing::StartsWith("\r\x1b[Kexperiments/7  0/2 jobs"));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1);
}

TEST_F(SubmitRunTest, FailedJobsGiveExitCodeTwo) {
  server_.experiments.watches = {{.states = {TwoPoints(v1::EXPERIMENT_STATE_DONE, 1, 1)}, .end = grpc::Status::OK}};
  EXPECT_EQ(Run({"run", sweep_}).code, ExitCode::kJobsFailed);
  EXPECT_EQ(Run({"submit", sweep_, "--wait"}).code, ExitCode::kJobsFailed);
  EXPECT_EQ(Run({"wait", "7"}).code, ExitCode::kJobsFailed);
  EXPECT_EQ(Run({"watch", "last"}).code, ExitCode::kNotFound);  // The list of the fake is empty.
}

TEST_F(SubmitRunTest, ACancelledExperimentGivesExitCodeTwo) {
  server_.experiments.watches = {
      {.states = {TwoPoints(v1::EXPERIMENT_STATE_CANCELLED, 1, 0)}, .end = grpc::Status::OK}};
  EXPECT_EQ(Run({"wait", "e7"}).code, ExitCode::kJobsFailed);
}

TEST_F(SubmitRunTest, ABrokenWatchIsTakenUpAgain) {
  server_.experiments.watches.push_front(
      {.states = {TwoPoints(v1::EXPERIMENT_STATE_ACTIVE, 1, 0)}, .end = {grpc::StatusCode::UNAVAILABLE, "restart"}});
  const ProgramResult result = Run({"watch", "e7"});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_EQ(server_.experiments.watches_served, 2);
  EXPECT_THAT(result.err, EndsWith("2/2 jobs (100 %)\n"));
}

TEST_F(SubmitRunTest, CtrlCLeavesTheExperimentAndSaysHowToComeBack) {
  server_.experiments.watches = {
      {.states = {TwoPoints(v1::EXPERIMENT_STATE_ACTIVE, 1, 0)}, .end = grpc::Status::OK, .stay_open = true}};
  std::thread user([this] {
    server_.experiments.watching.WaitForNotification();
    world_.interrupt.Request();
  });
  const ProgramResult result = Run({"run", sweep_});
  user.join();
  EXPECT_EQ(result.code, ExitCode::kInterrupted);
  EXPECT_THAT(result.err, EndsWith("experiments/7 goes on at the server. Come back with: dmfrag wait 7; stop it with: "
                                   "dmfrag cancel 7\n"));
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(server_.experiments.cancelled, IsEmpty());
}

TEST_F(SubmitRunTest, WaitGivesUpAfterItsTimeout) {
  server_.experiments.watches = {
      {.states = {TwoPoints(v1::EXPERIMENT_STATE_ACTIVE, 1, 0)}, .end = grpc::Status::OK, .stay_open = true}};
  const ProgramResult result = Run({"wait", "e7", "--timeout", "50ms"});
  EXPECT_EQ(result.code, ExitCode::kDeadline);
  EXPECT_EQ(result.err, "dmfrag: experiments/7 has not ended within 50ms; it goes on\n");
}

TEST_F(SubmitRunTest, WaitIsSilentOnErr) {
  const ProgramResult result = Run({"wait", "experiments/7"});
  EXPECT_EQ(result.code, ExitCode::kOk);
  EXPECT_THAT(result.err, IsEmpty());
}

TEST_F(SubmitRunTest, ExperimentsThatAreNotThereGiveExitCodeThree) {
  for (const char* command : {"wait", "watch", "results"}) {
    const ProgramResult result = Run({command, "e8"});
    EXPECT_EQ(result.code, ExitCode::kNotFound) << command;
    EXPECT_EQ(result.err, "dmfrag: experiments/8 is not there\n");
  }
}

TEST_F(SubmitRunTest, NamesThatAreNoneAreUsageErrors) {
  for (const char* name : {"x", "e", "", "jobs/1", "e1e", "99999999999999999999"}) {
    const ProgramResult result = Run({"wait", name});
    EXPECT_EQ(result.code, ExitCode::kUsage) << name;
  }
}

TEST_F(SubmitRunTest, LastIsTheNewest) {
  server_.experiments.list = {server_.experiments.experiment};
  EXPECT_EQ(Run({"wait", "last"}).code, ExitCode::kOk);
}

TEST_F(SubmitRunTest, CancelSaysWhatIsKept) {
  server_.experiments.experiment.mutable_counts()->set_cancelled(1);
  const ProgramResult result = Run({"cancel", "e7"});
  EXPECT_EQ(result.code, ExitCode::kOk);
  EXPECT_EQ(result.out, "experiments/7 is cancelled: 1 jobs released, 2 results kept\n");
  ASSERT_THAT(server_.experiments.cancelled, SizeIs(1));
  EXPECT_EQ(server_.experiments.cancelled[0].name(), "experiments/7");
  EXPECT_THAT(server_.experiments.cancelled[0].request_id(), SizeIs(36));
}

TEST_F(SubmitRunTest, StatusCodesDecideTheExitCode) {
  using grpc::StatusCode;
  for (const auto& [status, code] :
       std::vector<std::pair<StatusCode, ExitCode>>{{StatusCode::ALREADY_EXISTS, ExitCode::kUsage},
                                                    {StatusCode::RESOURCE_EXHAUSTED, ExitCode::kUsage},
                                                    {StatusCode::NOT_FOUND, ExitCode::kNotFound},
                                                    {StatusCode::UNAVAILABLE, ExitCode::kConnection},
                                                    {StatusCode::DEADLINE_EXCEEDED, ExitCode::kDeadline},
                                                    {StatusCode::UNAUTHENTICATED, ExitCode::kAuthorization},
                                                    {StatusCode::PERMISSION_DENIED, ExitCode::kAuthorization},
                                                    {StatusCode::INTERNAL, ExitCode::kUsage}}) {
    server_.experiments.create_status = {status, "because"};
    const ProgramResult result = Run({"submit", sweep_});
    EXPECT_EQ(result.code, code) << status;
    EXPECT_THAT(result.err, HasSubstr("because"));
  }
}

}  // namespace
}  // namespace dmfrag::client
