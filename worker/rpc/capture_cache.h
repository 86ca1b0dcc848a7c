#ifndef DMFRAG_WORKER_RPC_CAPTURE_CACHE_H_
#define DMFRAG_WORKER_RPC_CAPTURE_CACHE_H_

#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "dmfrag/v1/captures.grpc.pb.h"

namespace dmfrag::worker {

// Captures on this worker's disk: a folder of files named by their SHA-256, each downloaded once. Thread-safe.
class CaptureCache {
 public:
  // `folder` must exist. `stub` must outlive this.
  CaptureCache(std::string folder, v1::Captures::StubInterface& stub) : folder_(std::move(folder)), stub_(stub) {}

  // Makes sure that the capture is in the folder, its content checked. Errors: the server's, kDataLoss if what came is
  // not what was asked for, kUnavailable if it cannot be written.
  absl::Status Ensure(const std::string& sha256_hex);

 private:
  absl::Status Download(const std::string& sha256_hex, const std::string& path);

  const std::string folder_;
  v1::Captures::StubInterface& stub_;
  std::mutex mutex_;  // one download at a time
};

}  // namespace dmfrag::worker

#endif  // DMFRAG_WORKER_RPC_CAPTURE_CACHE_H_
