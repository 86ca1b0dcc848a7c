#ifndef DMFRAG_CLIENT_TESTING_FAKE_SERVER_H_
#define DMFRAG_CLIENT_TESTING_FAKE_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "dmfrag/v1/captures.grpc.pb.h"
#include "dmfrag/v1/experiments.grpc.pb.h"
#include "dmfrag/v1/results.grpc.pb.h"
#include "dmfrag/v1/workers.grpc.pb.h"

namespace dmfrag::client {

// One answer of WatchExperiment: these states, then this status.
struct WatchScript {
  std::vector<v1::Experiment> states;
  grpc::Status end;
  // After the states the stream stays open until the client goes.
  bool stay_open = false;
};

// Experiments of a script. What is asked is kept; the fields are set before the server is used, and read after.
class FakeExperiments : public v1::Experiments::Service {
 public:
  // Answer of CreateExperiment, GetExperiment and CancelExperiment.
  v1::Experiment experiment;
  grpc::Status create_status;
  // CreateExperiment answers UNAVAILABLE this often before it answers.
  int create_refusals = 0;
  std::vector<v1::CreateExperimentRequest> created;
  std::vector<v1::CancelExperimentRequest> cancelled;
  // One per WatchExperiment; the last one is repeated.
  std::deque<WatchScript> watches;
  int watches_served = 0;
  // Notified when a stream that stays open has sent its states.
  absl::Notification watching;
  std::vector<v1::Experiment> list;
  size_t list_page_size = 1000;

  grpc::Status CreateExperiment(grpc::ServerContext* context, const v1::CreateExperimentRequest* request,
                                v1::Experiment* response) override;
  grpc::Status GetExperiment(grpc::ServerContext* context, const v1::GetExperimentRequest* request,
                             v1::Experiment* response) override;
  grpc::Status ListExperiments(grpc::ServerContext* context, const v1::ListExperimentsRequest* request,
                               v1::ListExperimentsResponse* response) override;
  grpc::Status CancelExperiment(grpc::ServerContext* context, const v1::CancelExperimentRequest* request,
                                v1::Experiment* response) override;
  grpc::Status WatchExperiment(grpc::ServerContext* context, const v1::WatchExperimentRequest* request,
                               grpc::ServerWriter<v1::WatchExperimentResponse>* writer) override;
};

// Results in pages of `page_size`, whatever is asked for.
class FakeResults : public v1::Results::Service {
 public:
  std::vector<v1::Result> results;
  size_t page_size = 1000;
  std::vector<v1::ListResultsRequest> listed;
  v1::ListAttemptsResponse attempts;

  grpc::Status ListResults(grpc::ServerContext* context, const v1::ListResultsRequest* request,
                           v1::ListResultsResponse* response) override;
  grpc::Status GetResult(grpc::ServerContext* context, const v1::GetResultRequest* request,
                         v1::Result* response) override;
  grpc::Status ListAttempts(grpc::ServerContext* context, const v1::ListAttemptsRequest* request,
                            v1::ListAttemptsResponse* response) override;
};

class FakeWorkers : public v1::Workers::Service {
 public:
  std::vector<v1::Worker> workers;

  grpc::Status ListWorkers(grpc::ServerContext* context, const v1::ListWorkersRequest* request,
                           v1::ListWorkersResponse* response) override;
};

// Keeps uploads in memory, and can break one.
class FakeCaptures : public v1::Captures::Service {
 public:
  // The stream breaks with UNAVAILABLE once this many bytes of a capture are there; once.
  std::optional<size_t> break_at;
  // By name.
  std::map<std::string, std::string> contents;
  int streams = 0;
  size_t largest_chunk = 0;

  grpc::Status GetUpload(grpc::ServerContext* context, const v1::GetUploadRequest* request,
                         v1::Upload* response) override;
  grpc::Status UploadCapture(grpc::ServerContext* context, grpc::ServerReader<v1::UploadCaptureRequest>* reader,
                             v1::Capture* response) override;

 private:
  std::map<std::string, size_t> sizes_;
};

// The four services on a Unix socket in a new folder, which is removed at the end.
class FakeServer {
 public:
  FakeServer();
  ~FakeServer();

  FakeExperiments experiments;
  FakeResults results;
  FakeWorkers workers;
  FakeCaptures captures;

  // Starts to listen.
  void Start();

  // "unix:...".
  std::string address() const { return "unix:" + (folder_ / "server.sock").native(); }
  // A folder for the test's own files.
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_TESTING_FAKE_SERVER_H_
