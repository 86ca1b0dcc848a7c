#include "server/service/experiments_service.h"

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "grpcpp/alarm.h"
#include "proto/support/names.h"
#include "server/service/handle.h"
#include "server/service/page_token.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::server {
namespace {

constexpr auto kWatchInterval = std::chrono::milliseconds(100);
constexpr int32_t kUsualPage = 50;

// States: writing (until OnWriteDone), waiting (until the alarm), finished. OnCancel ends the wait; a write that is
// under way ends by itself.
class WatchReactor : public grpc::ServerWriteReactor<v1::WatchExperimentResponse> {
 public:
  WatchReactor(const Coordinator& coordinator, absl::StatusOr<int64_t> id) : coordinator_(coordinator) {
    if (id.ok()) {
      id_ = *id;
      Next();
    } else {
      Finish(ToGrpcStatus(id.status()));
    }
  }

  void OnWriteDone(bool ok) override {
    if (!ok || ended_) return Finish(grpc::Status::OK);
    Wait();
  }

  void OnCancel() override {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    if (alarm_ != nullptr) alarm_->Cancel();
  }

  void OnDone() override { delete this; }

 private:
  void Wait() {
    {
      const std::lock_guard lock(mutex_);
      if (!cancelled_) {
        alarm_ = std::make_unique<grpc::Alarm>();  // a new one each time: this may run in the old one's callback
        alarm_->Set(std::chrono::system_clock::now() + kWatchInterval, [this](bool) { Next(); });
        return;
      }
    }
    Finish(grpc::Status::CANCELLED);
  }

  bool IsCancelled() {
    const std::lock_guard lock(mutex_);
    return cancelled_;
  }

  void Next() {
    if (IsCancelled()) return Finish(grpc::Status::CANCELLED);
    absl::StatusOr<v1::Experiment> experiment = coordinator_.GetExperiment(id_, /*brief=*/true);
    if (!experiment.ok()) return Finish(ToGrpcStatus(experiment.status()));
    std::string bytes = experiment->SerializeAsString();
    if (bytes == last_) return Wait();
    last_ = std::move(bytes);
    ended_ = experiment->state() != v1::EXPERIMENT_STATE_ACTIVE;
    *response_.mutable_experiment() = *std::move(experiment);
    StartWrite(&response_);
  }

  const Coordinator& coordinator_;
  int64_t id_ = 0;
  std::string last_;
  bool ended_ = false;
  v1::WatchExperimentResponse response_;
  std::mutex mutex_;
  bool cancelled_ = false;
  std::unique_ptr<grpc::Alarm> alarm_;
};

}  // namespace

grpc::Status ExperimentsService::CreateExperiment(grpc::ServerContext*, const v1::CreateExperimentRequest* request,
                                                  v1::Experiment* response) {
  return Handle("CreateExperiment", response, [&] { return coordinator_.CreateExperiment(*request); });
}

grpc::Status ExperimentsService::GetExperiment(grpc::ServerContext*, const v1::GetExperimentRequest* request,
                                               v1::Experiment* response) {
  return Handle("GetExperiment", response, [&]() -> absl::StatusOr<v1::Experiment> {
    ASSIGN_OR_RETURN(const int64_t id, ParseExperimentName(request->name()));
    return coordinator_.GetExperiment(id, /*brief=*/false);
  });
}

grpc::Status ExperimentsService::ListExperiments(grpc::ServerContext*, const v1::ListExperimentsRequest* request,
                                                 v1::ListExperimentsResponse* response) {
  return Handle("ListExperiments", response, [&]() -> absl::StatusOr<v1::ListExperimentsResponse> {
    ASSIGN_OR_RETURN(const int64_t size, PageSize(request->page_size(), kUsualPage));
    std::vector<int64_t> before = {0};
    if (!request->page_token().empty()) {
      ASSIGN_OR_RETURN(before, ParsePageToken(request->page_token(), "ListExperiments", 1));
    }
    ASSIGN_OR_RETURN(std::vector<v1::Experiment> experiments, coordinator_.ListExperiments(before[0], size + 1));
    v1::ListExperimentsResponse page;
    for (size_t i = 0; i < experiments.size() && i < static_cast<size_t>(size); ++i) {
      *page.add_experiments() = std::move(experiments[i]);
    }
    if (experiments.size() > static_cast<size_t>(size)) {
      ASSIGN_OR_RETURN(const int64_t last, ParseExperimentName(page.experiments().rbegin()->name()));
      page.set_next_page_token(MakePageToken("ListExperiments", {last}));
    }
    return page;
  });
}

grpc::Status ExperimentsService::CancelExperiment(grpc::ServerContext*, const v1::CancelExperimentRequest* request,
                                                  v1::Experiment* response) {
  return Handle("CancelExperiment", response, [&]() -> absl::StatusOr<v1::Experiment> {
    ASSIGN_OR_RETURN(const int64_t id, ParseExperimentName(request->name()));
    return coordinator_.CancelExperiment(id, request->request_id());
  });
}

grpc::ServerWriteReactor<v1::WatchExperimentResponse>* ExperimentsService::WatchExperiment(
    grpc::CallbackServerContext*, const v1::WatchExperimentRequest* request) {
  return new WatchReactor(coordinator_, ParseExperimentName(request->name()));
}

}  // namespace dmfrag::server
