#include "server/service/workers_service.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "server/service/handle.h"
#include "server/service/page_token.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::server {
namespace {

constexpr int32_t kUsualPage = 50;

// One worker's stream. The reactor belongs to gRPC, which ends it when it likes; the coordinator holds this handle,
// which outlives it and then drops what it is given.
class StreamHandle : public WorkerStream {
 public:
  class Reactor;

  explicit StreamHandle(Reactor* reactor) : reactor_(reactor) {}
  void Send(v1::WorkResponse message) override;
  void Close(const absl::Status& status) override;
  void Detach() {
    const std::lock_guard lock(mutex_);
    reactor_ = nullptr;
  }

 private:
  std::mutex mutex_;
  Reactor* reactor_ ABSL_GUARDED_BY(mutex_);
};

// Reads: one at a time, each handed to the coordinator before the next is asked for. Writes: one at a time from a
// queue. The stream is finished once, when no write is under way; reads that are left then fail and are ignored.
class StreamHandle::Reactor : public grpc::ServerBidiReactor<v1::WorkRequest, v1::WorkResponse> {
 public:
  explicit Reactor(Coordinator& coordinator)
      : coordinator_(coordinator), handle_(std::make_shared<StreamHandle>(this)) {
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return FinishWhenIdle(absl::OkStatus());
    const absl::Status status = Take(request_);
    if (!status.ok()) return FinishWhenIdle(status);
    StartRead(&request_);
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    queue_.pop_front();
    if (!ok) queue_.clear();
    Continue();
  }

  void OnDone() override {
    handle_->Detach();
    if (stream_id_ != 0) coordinator_.Disconnect(stream_id_);
    delete this;
  }

  void Send(v1::WorkResponse message) {
    const std::lock_guard lock(mutex_);
    if (finish_asked_) return;
    queue_.push_back(std::move(message));
    Continue();
  }

  void FinishWhenIdle(const absl::Status& status) {
    const std::lock_guard lock(mutex_);
    if (finish_asked_) return;
    finish_asked_ = true;
    final_status_ = ToGrpcStatus(status);
    Continue();
  }

 private:
  absl::Status Take(const v1::WorkRequest& message) {
    if (stream_id_ != 0) return coordinator_.OnMessage(stream_id_, message);
    if (!message.has_hello()) return absl::InvalidArgumentError("message: the first one must be a Hello");
    ASSIGN_OR_RETURN(stream_id_, coordinator_.Connect(message.hello(), handle_));
    return absl::OkStatus();
  }

  void Continue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_) return;
    if (!queue_.empty() && !finish_asked_) {
      writing_ = true;
      StartWrite(&queue_.front());
    } else if (finish_asked_) {
      finished_ = true;
      Finish(final_status_);
    }
  }

  Coordinator& coordinator_;
  const std::shared_ptr<StreamHandle> handle_;
  uint64_t stream_id_ = 0;  // touched by reads alone, which come one after another, and by OnDone after them
  v1::WorkRequest request_;
  std::mutex mutex_;
  std::deque<v1::WorkResponse> queue_ ABSL_GUARDED_BY(mutex_);  // the front is being written while `writing_`
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finish_asked_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status final_status_ ABSL_GUARDED_BY(mutex_);
};

void StreamHandle::Send(v1::WorkResponse message) {
  const std::lock_guard lock(mutex_);
  if (reactor_ != nullptr) reactor_->Send(std::move(message));
}

void StreamHandle::Close(const absl::Status& status) {
  const std::lock_guard lock(mutex_);
  if (reactor_ != nullptr) reactor_->FinishWhenIdle(status);
}

}  // namespace

grpc::ServerBidiReactor<v1::WorkRequest, v1::WorkResponse>* WorkersService::Work(grpc::CallbackServerContext*) {
  return new StreamHandle::Reactor(coordinator_);
}

grpc::Status WorkersService::ListWorkers(grpc::ServerContext*, const v1::ListWorkersRequest* request,
                                         v1::ListWorkersResponse* response) {
  return Handle("ListWorkers", response, [&]() -> absl::StatusOr<v1::ListWorkersResponse> {
    ASSIGN_OR_RETURN(const int64_t size, PageSize(request->page_size(), kUsualPage));
    std::vector<int64_t> after = {0};
    if (!request->page_token().empty()) {
      ASSIGN_OR_RETURN(after, ParsePageToken(request->page_token(), "ListWorkers", 1));
    }
    const std::vector<v1::Worker> workers = coordinator_.Workers();
    v1::ListWorkersResponse page;
    const size_t end = std::min(workers.size(), static_cast<size_t>(after[0] + size));
    for (size_t i = static_cast<size_t>(after[0]); i < end; ++i) *page.add_workers() = workers[i];
    if (end < workers.size()) page.set_next_page_token(MakePageToken("ListWorkers", {static_cast<int64_t>(end)}));
    return page;
  });
}

}  // namespace dmfrag::server
