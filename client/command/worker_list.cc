#include "client/command/worker_list.h"

#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

constexpr int kPageSize = 1000;

}  // namespace

absl::StatusOr<v1::ListWorkersResponse> ListAllWorkers(Connection& connection) {
  v1::ListWorkersResponse all;
  v1::ListWorkersRequest request;
  request.set_page_size(kPageSize);
  do {
    ASSIGN_OR_RETURN(const v1::ListWorkersResponse page,
                     connection.Call(connection.workers(), &v1::Workers::StubInterface::ListWorkers, request));
    all.mutable_workers()->MergeFrom(page.workers());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

}  // namespace dmfrag::client
