#ifndef DMFRAG_SERVER_SERVICE_HANDLE_H_
#define DMFRAG_SERVER_SERVICE_HANDLE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/support/status.h"
#include "proto/support/grpc_status.h"
#include "spdlog/spdlog.h"

namespace dmfrag::server {

// Runs the body of a unary handler, a call that returns absl::StatusOr of the response: fills the response or converts
// the status, and logs what is our own fault.
template <typename Response, typename Body>
grpc::Status Handle(const char* rpc, Response* response, const Body& body) {
  absl::StatusOr<Response> result = body();
  if (result.ok()) {
    *response = *std::move(result);
    return grpc::Status::OK;
  }
  const bool ours =
      result.status().code() == absl::StatusCode::kInternal || result.status().code() == absl::StatusCode::kDataLoss;
  if (ours) spdlog::error("{}: {}", rpc, result.status().ToString());
  return ToGrpcStatus(result.status());
}

}  // namespace dmfrag::server

#endif  // DMFRAG_SERVER_SERVICE_HANDLE_H_
