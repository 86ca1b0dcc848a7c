// The services over a real (in-process) channel: what only shows with gRPC between.

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/support/canonical.h"
#include "proto/support/golden_set.h"
#include "proto/support/model_version.h"
#include "proto/support/sha256.h"
#include "server/service/captures_service.h"
#include "server/service/experiments_service.h"
#include "server/service/results_service.h"
#include "server/service/workers_service.h"
#include "storage/testing/fake_store.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ServicesTest : public testing::Test {
 protected:
  ServicesTest() {
    char pattern[] = "/tmp/dmfrag-services-XXXXXX";
    folder_ = mkdtemp(pattern);
    coordinator_ = *Coordinator::Create(store_, CoordinatorOptions{}, absl::Now);
    files_ = *storage::CaptureFiles::Open(folder_ + "/captures");
    experiments_service_ = std::make_unique<ExperimentsService>(*coordinator_);
    results_service_ = std::make_unique<ResultsService>(store_.reader(), *coordinator_);
    workers_service_ = std::make_unique<WorkersService>(*coordinator_);
    captures_service_ = std::make_unique<CapturesService>(store_, *files_);
    grpc::ServerBuilder builder;
    builder.RegisterService(experiments_service_.get());
    builder.RegisterService(results_service_.get());
    builder.RegisterService(workers_service_.get());
    builder.RegisterService(captures_service_.get());
    server_ = builder.BuildAndStart();
    const auto channel = server_->InProcessChannel({});
    experiments_ = v1::Experiments::NewStub(channel);
    results_ = v1::Results::NewStub(channel);
    workers_ = v1::Workers::NewStub(channel);
    captures_ = v1::Captures::NewStub(channel);
  }
  ~ServicesTest() override {
    coordinator_->Drain();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
    server_->Wait();
    std::filesystem::remove_all(folder_);
  }

  std::string Submit(uint32_t replicates) {
    v1::CreateExperimentRequest request;
    request.set_request_id("r" + std::to_string(replicates));
    request.mutable_experiment()->set_display_name("t");
    request.mutable_experiment()->set_replicates(replicates);
    request.mutable_experiment()->mutable_base()->mutable_cache()->mutable_none();
    request.mutable_experiment()->mutable_base()->mutable_workload()->mutable_noop();
    grpc::ClientContext context;
    v1::Experiment experiment;
    EXPECT_TRUE(experiments_->CreateExperiment(&context, request, &experiment).ok());
    return experiment.name();
  }

  static v1::WorkRequest Hello() {
    v1::WorkRequest request;
    request.mutable_hello()->set_worker_id("w");
    request.mutable_hello()->set_slots(1);
    request.mutable_hello()->set_model_version(kModelVersion);
    for (const GoldenJob& golden : GoldenSet()) {
      request.mutable_hello()->add_golden()->set_spec_sha256(golden.spec_sha256);
      request.mutable_hello()->mutable_golden()->rbegin()->set_result_sha256(golden.result_sha256);
    }
    return request;
  }

  // Runs `jobs` jobs as a worker on a stream of its own.
  void WorkOff(int jobs) {
    grpc::ClientContext context;
    const auto stream = workers_->Work(&context);
    v1::WorkResponse response;
    ASSERT_TRUE(stream->Write(Hello()));
    ASSERT_TRUE(stream->Read(&response));
    ASSERT_TRUE(response.has_welcome());
    v1::WorkRequest credits;
    credits.mutable_credits()->set_count(static_cast<uint32_t>(jobs));
    ASSERT_TRUE(stream->Write(credits));
    int acknowledged = 0;
    while (acknowledged < jobs) {
      ASSERT_TRUE(stream->Read(&response));
      acknowledged += response.acknowledge().refs_size();
      v1::WorkRequest report;
      for (const v1::Assignment& assignment : response.assign().assignments()) {
        v1::AttemptReport& one = *report.mutable_report()->add_reports();
        *one.mutable_ref() = assignment.ref();
        one.mutable_result()->set_outcome(v1::OUTCOME_COMPLETED);
        one.set_result_sha256(ResultSha256Hex(one.result()));
      }
      if (report.has_report()) {
        ASSERT_TRUE(stream->Write(report));
      }
    }
    stream->WritesDone();
    EXPECT_TRUE(stream->Finish().ok());
  }

  // Sends `content` from `offset` in chunks of `chunk` bytes and ends the stream.
  grpc::Status Upload(const std::string& sha256, const std::string& content, size_t offset, size_t end, size_t chunk) {
    grpc::ClientContext context;
    v1::Capture capture;
    const auto writer = captures_->UploadCapture(&context, &capture);
    while (offset < end) {
      v1::UploadCaptureRequest request;
      request.set_name("captures/" + sha256);
      request.set_size_bytes(static_cast<int64_t>(content.size()));
      request.set_offset_bytes(static_cast<int64_t>(offset));
      request.set_data(content.substr(offset, std::min(chunk, end - offset)));
      offset += request.data().size();
      if (!writer->Write(request)) break;
    }
    writer->WritesDone();
    return writer->Finish();
  }

  v1::Upload GetUpload(const std::string& sha256) {
    grpc::ClientContext context;
    v1::GetUploadRequest request;
    request.set_name("captures/" + sha256);
    v1::Upload upload;
    EXPECT_TRUE(captures_->GetUpload(&context, request, &upload).ok());
    return upload;
  }

  std::string Download(const std::string& sha256, int64_t offset, grpc::Status& status) {
    grpc::ClientContext context;
    v1::DownloadCaptureRequest request;
    request.set_name("captures/" + sha256);
    request.set_offset_bytes(offset);
    const auto reader = captures_->DownloadCapture(&context, request);
    std::string content;
    v1::DownloadCaptureResponse chunk;
    while (reader->Read(&chunk)) content += chunk.data();
    status = reader->Finish();
    return content;
  }

  std::string folder_;
  storage::FakeStore store_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<storage::CaptureFiles> files_;
  std::unique_ptr<ExperimentsService> experiments_service_;
  std::unique_ptr<ResultsService> results_service_;
  std::unique_ptr<WorkersService> workers_service_;
  std::unique_ptr<CapturesService> captures_service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::Experiments::Stub> experiments_;
  std::unique_ptr<v1::Results::Stub> results_;
  std::unique_ptr<v1::Workers::Stub> workers_;
  std::unique_ptr<v1::Captures::Stub> captures_;
};

TEST_F(ServicesTest, WorkerStreamRunsJobsAndItsEndIsSeen) {
  const std::string name = Submit(5);
  WorkOff(5);
  grpc::ClientContext context;
  v1::ListWorkersResponse workers;
  ASSERT_TRUE(workers_->ListWorkers(&context, {}, &workers).ok());
  ASSERT_EQ(workers.workers_size(), 1);
  EXPECT_EQ(workers.workers(0).completed(), 5u);
  EXPECT_EQ(workers.workers(0).running(), 0u);
}

TEST_F(ServicesTest, WorkerStreamMustBeginWithHello) {
  grpc::ClientContext context;
  const auto stream = workers_->Work(&context);
  v1::WorkRequest request;
  request.mutable_heartbeat();
  stream->Write(request);
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("Hello"));
}

TEST_F(ServicesTest, NewerStreamOfAWorkerReplacesTheOlder) {
  grpc::ClientContext first_context;
  const auto first = workers_->Work(&first_context);
  v1::WorkResponse response;
  first->Write(Hello());
  ASSERT_TRUE(first->Read(&response));
  grpc::ClientContext second_context;
  const auto second = workers_->Work(&second_context);
  second->Write(Hello());
  ASSERT_TRUE(second->Read(&response));
  EXPECT_FALSE(first->Read(&response));
  EXPECT_EQ(first->Finish().error_code(), grpc::StatusCode::ABORTED);
  second->WritesDone();
  EXPECT_TRUE(second->Finish().ok());
}

TEST_F(ServicesTest, WatchFollowsToTheEnd) {
  const std::string name = Submit(20);
  grpc::ClientContext context;
  v1::WatchExperimentRequest request;
  request.set_name(name);
  const auto reader = experiments_->WatchExperiment(&context, request);
  v1::WatchExperimentResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.experiment().state(), v1::EXPERIMENT_STATE_ACTIVE);
  EXPECT_TRUE(response.experiment().source_text().empty());
  std::thread worker([this] { WorkOff(20); });
  int64_t last = 0;
  while (reader->Read(&response)) {
    EXPECT_GE(response.experiment().counts().succeeded(), last) << "never an old one";
    last = response.experiment().counts().succeeded();
  }
  worker.join();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(response.experiment().state(), v1::EXPERIMENT_STATE_DONE);
  EXPECT_EQ(last, 20);
}

TEST_F(ServicesTest, WatchEndsWhenTheWatcherLeavesAndRefusesTheUnknown) {
  {
    grpc::ClientContext context;
    v1::WatchExperimentRequest request;
    request.set_name(Submit(3));
    const auto reader = experiments_->WatchExperiment(&context, request);
    v1::WatchExperimentResponse response;
    ASSERT_TRUE(reader->Read(&response));
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  for (const auto& [name, code] : {std::pair("experiments/99", grpc::StatusCode::NOT_FOUND),
                                   std::pair("nonsense", grpc::StatusCode::INVALID_ARGUMENT)}) {
    grpc::ClientContext context;
    v1::WatchExperimentRequest request;
    request.set_name(name);
    EXPECT_EQ(experiments_->WatchExperiment(&context, request)->Finish().error_code(), code);
  }
}

TEST_F(ServicesTest, ResultsComePageByPage) {
  v1::ListResultsRequest request;
  request.set_parent(Submit(7));
  WorkOff(7);
  request.set_page_size(3);
  std::vector<int64_t> replicates;
  std::string first_token;
  do {
    grpc::ClientContext context;
    v1::ListResultsResponse page;
    ASSERT_TRUE(results_->ListResults(&context, request, &page).ok());
    EXPECT_LE(page.results_size(), 3);
    for (const v1::Result& result : page.results()) replicates.push_back(result.replicate());
    request.set_page_token(page.next_page_token());
    if (first_token.empty()) first_token = page.next_page_token();
  } while (!request.page_token().empty());
  EXPECT_THAT(replicates, ElementsAre(0, 1, 2, 3, 4, 5, 6));

  request.set_page_token(first_token);
  request.set_filter("replicate > 1");  // another argument than the token was made for
  grpc::ClientContext context;
  v1::ListResultsResponse page;
  EXPECT_EQ(results_->ListResults(&context, request, &page).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServicesTest, BrokenUploadIsResumed) {
  std::string content(3'000'000, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 2654435761u >> 13);
  const std::string sha256 = ToHex(Sha256(content));
  EXPECT_EQ(GetUpload(sha256).committed_bytes(), 0);
  // The stream ends too early: what came is kept.
  EXPECT_EQ(Upload(sha256, content, 0, 1'500'000, 500'000).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const v1::Upload upload = GetUpload(sha256);
  EXPECT_EQ(upload.committed_bytes(), 1'500'000);
  EXPECT_FALSE(upload.complete());
  EXPECT_EQ(Upload(sha256, content, 0, content.size(), 500'000).error_code(), grpc::StatusCode::INVALID_ARGUMENT)
      << "out of place";
  EXPECT_TRUE(Upload(sha256, content, 1'500'000, content.size(), 500'000).ok());
  EXPECT_TRUE(GetUpload(sha256).complete());
  grpc::Status status;
  EXPECT_EQ(Download(sha256, 0, status), content);
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(Download(sha256, 2'999'990, status), content.substr(2'999'990));
  Download(sha256, 3'000'001, status);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
}

TEST_F(ServicesTest, UploadOfOtherContentIsDiscarded) {
  const std::string sha256 = ToHex(Sha256("what was promised"));
  EXPECT_EQ(Upload(sha256, "something else ...", 0, 18, 100).error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(GetUpload(sha256).committed_bytes(), 0);
  grpc::Status status;
  Download(sha256, 0, status);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace dmfrag::server
