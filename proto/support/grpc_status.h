#ifndef DMFRAG_PROTO_SUPPORT_GRPC_STATUS_H_
#define DMFRAG_PROTO_SUPPORT_GRPC_STATUS_H_

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

// The one place where absl::Status and grpc::Status meet. Their codes have the same numbers by design.
namespace dmfrag {

inline grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

inline absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_GRPC_STATUS_H_
