#ifndef DMFRAG_WORKER_SLOT_SLOT_PROCESS_H_
#define DMFRAG_WORKER_SLOT_SLOT_PROCESS_H_

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "dmfrag/v1/job_spec.pb.h"
#include "dmfrag/v1/workers.pb.h"

namespace google::protobuf::io {
class FileInputStream;
}

namespace dmfrag::worker {

// The parent's end of one slot: starts the child when it is needed, again after it died. The child is this program
// executed anew (`command`), never a bare fork: gRPC does not survive one. Thread-compatible; the child dies with the
// thread that started it, so one thread must do all.
class SlotProcess {
 public:
  // `command`: program and arguments of a child that runs RunSlotChild.
  explicit SlotProcess(std::vector<std::string> command);
  ~SlotProcess();
  SlotProcess(const SlotProcess&) = delete;

  // Runs `specs` in order and calls `done` with each one's index and report as it ends. A job during which the child
  // dies is reported as a failure of the infrastructure, with the cause; the others go on in a new child.
  void Run(const std::vector<v1::JobSpec>& specs, const std::function<void(size_t, v1::AttemptReport)>& done);

  // Process id of the child, 0 if there is none. Thread-safe.
  pid_t pid() const { return pid_; }

 private:
  absl::Status Start();
  // Ends the child if it lives; says how it ended.
  std::string Stop();
  // Sends as many specs from `first` on as surely fit the pipe, one at least. Returns the index behind the last one.
  size_t SendBatch(const std::vector<v1::JobSpec>& specs, size_t first);
  // The last 64 KiB that the child wrote to standard error since the last call.
  std::string TakeStderr();

  const std::vector<std::string> command_;
  std::atomic<pid_t> pid_ = 0;  // read by a thread that wants the child killed
  int to_child_ = -1;
  int from_child_ = -1;
  int stderr_file_ = -1;
  std::unique_ptr<google::protobuf::io::FileInputStream> reports_;
};

}  // namespace dmfrag::worker

#endif  // DMFRAG_WORKER_SLOT_SLOT_PROCESS_H_
