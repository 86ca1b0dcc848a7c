#ifndef DMFRAG_CLIENT_RESULTS_RESULT_PAGES_H_
#define DMFRAG_CLIENT_RESULTS_RESULT_PAGES_H_

#include <functional>

#include "absl/status/status.h"
#include "client/connection/connection.h"
#include "dmfrag/v1/results.pb.h"

namespace dmfrag::client {

// Calls `visit` with every result that `request` (without page_size and page_token) asks for, page after page, in the
// server's order. Errors: the server's; `visit`'s own stops it.
absl::Status ForEachResult(Connection& connection, v1::ListResultsRequest request,
                           const std::function<absl::Status(const v1::Result&)>& visit);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RESULTS_RESULT_PAGES_H_
