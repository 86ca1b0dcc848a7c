#ifndef DMFRAG_WORKER_RPC_WORKER_H_
#define DMFRAG_WORKER_RPC_WORKER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "dmfrag/v1/workers.grpc.pb.h"
#include "grpcpp/channel.h"
#include "worker/rpc/attempt_book.h"
#include "worker/rpc/capture_cache.h"
#include "worker/slot/slot_process.h"

namespace dmfrag::worker {

struct WorkerOptions {
  std::string worker_id;
  uint32_t slots = 1;
  std::string capture_folder;
  std::vector<std::string> slot_command;  // starts a slot's child
};

// The worker: keeps a stream to the server, slots busy, and every result until it is acknowledged.
class Worker {
 public:
  // Waits up to a duration; true if the worker should stop. Called on the thread of Run alone.
  using StopFn = std::function<bool(absl::Duration)>;

  Worker(WorkerOptions options, std::shared_ptr<grpc::Channel> channel);
  ~Worker();

  // Works until `stop`, then gives back what no slot has begun and finishes the rest, ten seconds at most. Errors:
  // kFailedPrecondition or kInvalidArgument if the server will never take this worker.
  absl::Status Run(const StopFn& stop);

 private:
  static constexpr uint64_t kUnknownJobUs = 100'000;

  using Stream = grpc::ClientReaderWriterInterface<v1::WorkRequest, v1::WorkResponse>;
  struct StreamState;

  absl::Status ProveItself();
  void RunSlot(SlotProcess& slot);
  // Every file that the spec names is on this worker's disk. Errors: as CaptureCache::Ensure.
  absl::Status EnsureCaptures(const v1::JobSpec& spec);
  void RunBatch(SlotProcess& slot, std::vector<Attempt> batch);
  // One stream from Hello to its end. OK if it ended because of `stop`.
  absl::Status RunStream(const StopFn& stop, bool& welcomed);
  void ReadAll(Stream& stream, StreamState& state);
  void Write(Stream& stream, StreamState& state, const StopFn& stop);
  void Take(const v1::Assign& assign);
  v1::WorkRequest Hello() const;
  // Attempts to hold per slot, the running one included, by how long jobs took lately.
  int64_t AttemptsPerSlot() const;

  const WorkerOptions options_;
  const std::unique_ptr<v1::Workers::Stub> workers_;
  const std::unique_ptr<v1::Captures::Stub> captures_stub_;
  CaptureCache captures_;
  std::vector<v1::GoldenResult> golden_;
  AttemptBook book_;
  std::atomic<uint64_t> job_us_ = kUnknownJobUs;  // moving mean of the wall time of a job
  std::vector<std::unique_ptr<SlotProcess>> slots_;
  std::vector<std::thread> slot_threads_;
};

}  // namespace dmfrag::worker

#endif  // DMFRAG_WORKER_RPC_WORKER_H_
