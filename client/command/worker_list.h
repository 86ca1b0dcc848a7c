#ifndef DMFRAG_CLIENT_COMMAND_WORKER_LIST_H_
#define DMFRAG_CLIENT_COMMAND_WORKER_LIST_H_

#include "absl/status/statusor.h"
#include "client/connection/connection.h"
#include "dmfrag/v1/workers.pb.h"

namespace dmfrag::client {

// Every worker the server knows, of all pages.
absl::StatusOr<v1::ListWorkersResponse> ListAllWorkers(Connection& connection);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_COMMAND_WORKER_LIST_H_
