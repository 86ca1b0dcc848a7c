#include "client/testing/fake_server.h"

#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "third_party/abseil_extras/check.h"

namespace dmfrag::client {
namespace {

// Copies the page of `all` that `token` names and returns the next token.
template <typename Item, typename Repeated>
std::string Page(const std::vector<Item>& all, const std::string& token, size_t page_size, Repeated& page) {
  const size_t first = token.empty() ? 0 : std::stoul(token);
  const size_t end = std::min(all.size(), first + page_size);
  for (size_t i = first; i < end; ++i) *page.Add() = all[i];
  return end < all.size() ? std::to_string(end) : "";
}

}  // namespace

grpc::Status FakeExperiments::CreateExperiment(grpc::ServerContext*, const v1::CreateExperimentRequest* request,
                                               v1::Experiment* response) {
  created.push_back(*request);
  if (static_cast<int>(created.size()) <= create_refusals) return {grpc::StatusCode::UNAVAILABLE, "starting"};
  if (!create_status.ok()) return create_status;
  *response = experiment;
  return grpc::Status::OK;
}

grpc::Status FakeExperiments::GetExperiment(grpc::ServerContext*, const v1::GetExperimentRequest* request,
                                            v1::Experiment* response) {
  if (request->name() != experiment.name()) return {grpc::StatusCode::NOT_FOUND, request->name() + " is not there"};
  *response = experiment;
  return grpc::Status::OK;
}

grpc::Status FakeExperiments::ListExperiments(grpc::ServerContext*, const v1::ListExperimentsRequest* request,
                                              v1::ListExperimentsResponse* response) {
  const size_t page_size = std::min<size_t>(list_page_size, request->page_size());
  response->set_next_page_token(Page(list, request->page_token(), page_size, *response->mutable_experiments()));
  return grpc::Status::OK;
}

grpc::Status FakeExperiments::CancelExperiment(grpc::ServerContext*, const v1::CancelExperimentRequest* request,
                                               v1::Experiment* response) {
  cancelled.push_back(*request);
  *response = experiment;
  return grpc::Status::OK;
}

grpc::Status FakeExperiments::WatchExperiment(grpc::ServerContext* context, const v1::WatchExperimentRequest* request,
                                              grpc::ServerWriter<v1::WatchExperimentResponse>* writer) {
  if (request->name() != experiment.name()) return {grpc::StatusCode::NOT_FOUND, request->name() + " is not there"};
  const WatchScript script = watches.front();
  if (watches.size() > 1) watches.pop_front();
  ++watches_served;
  for (const v1::Experiment& state : script.states) {
    v1::WatchExperimentResponse response;
    *response.mutable_experiment() = state;
    writer->Write(response);
  }
  if (script.stay_open) {
    watching.Notify();
    while (!context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return script.end;
}

grpc::Status FakeResults::ListResults(grpc::ServerContext*, const v1::ListResultsRequest* request,
                                      v1::ListResultsResponse* response) {
  listed.push_back(*request);
  response->set_next_page_token(Page(results, request->page_token(), page_size, *response->mutable_results()));
  return grpc::Status::OK;
}

grpc::Status FakeResults::GetResult(grpc::ServerContext*, const v1::GetResultRequest* request, v1::Result* response) {
  for (const v1::Result& result : results) {
    if (result.name() != request->name()) continue;
    *response = result;
    return grpc::Status::OK;
  }
  return {grpc::StatusCode::NOT_FOUND, "no such job"};
}

grpc::Status FakeResults::ListAttempts(grpc::ServerContext*, const v1::ListAttemptsRequest*,
                                       v1::ListAttemptsResponse* response) {
  *response = attempts;
  return grpc::Status::OK;
}

grpc::Status FakeWorkers::ListWorkers(grpc::ServerContext*, const v1::ListWorkersRequest* request,
                                      v1::ListWorkersResponse* response) {
  response->set_next_page_token(Page(workers, request->page_token(), 2, *response->mutable_workers()));
  return grpc::Status::OK;
}

grpc::Status FakeCaptures::GetUpload(grpc::ServerContext*, const v1::GetUploadRequest* request, v1::Upload* response) {
  const auto content = contents.find(request->name());
  response->set_name(request->name());
  if (content == contents.end()) return grpc::Status::OK;
  response->set_committed_bytes(static_cast<int64_t>(content->second.size()));
  response->set_complete(content->second.size() == sizes_[request->name()]);
  return grpc::Status::OK;
}

grpc::Status FakeCaptures::UploadCapture(grpc::ServerContext*, grpc::ServerReader<v1::UploadCaptureRequest>* reader,
                                         v1::Capture* response) {
  ++streams;
  v1::UploadCaptureRequest request;
  while (reader->Read(&request)) {
    std::string& content = contents[request.name()];
    sizes_[request.name()] = static_cast<size_t>(request.size_bytes());
    largest_chunk = std::max(largest_chunk, request.data().size());
    if (request.offset_bytes() != static_cast<int64_t>(content.size())) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "a chunk is out of place"};
    }
    content += request.data();
    if (break_at.has_value() && content.size() >= *break_at) {
      break_at.reset();
      return {grpc::StatusCode::UNAVAILABLE, "broken by the test"};
    }
  }
  response->set_name(request.name());
  return grpc::Status::OK;
}

FakeServer::FakeServer() {
  std::string folder = "/tmp/dmfrag-test-XXXXXX";
  CHECK(mkdtemp(folder.data()) != nullptr);
  folder_ = folder;
}

void FakeServer::Start() {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address(), grpc::InsecureServerCredentials());
  for (grpc::Service* service : std::initializer_list<grpc::Service*>{&experiments, &results, &workers, &captures}) {
    builder.RegisterService(service);
  }
  server_ = builder.BuildAndStart();
  CHECK(server_ != nullptr);
}

FakeServer::~FakeServer() {
  if (server_ != nullptr) server_->Shutdown();
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

}  // namespace dmfrag::client
