#include "client/results/result_pages.h"

#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// The most the protocol gives.
constexpr int kPageSize = 1000;

}  // namespace

absl::Status ForEachResult(Connection& connection, v1::ListResultsRequest request,
                           const std::function<absl::Status(const v1::Result&)>& visit) {
  request.set_page_size(kPageSize);
  request.clear_page_token();
  do {
    ASSIGN_OR_RETURN(const v1::ListResultsResponse page,
                     connection.Call(connection.results(), &v1::Results::StubInterface::ListResults, request));
    for (const v1::Result& result : page.results()) RETURN_IF_ERROR(visit(result));
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

}  // namespace dmfrag::client
