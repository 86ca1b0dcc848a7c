#include "server/service/results_service.h"

#include "absl/strings/str_cat.h"
#include "proto/support/names.h"
#include "server/expansion/expansion.h"
#include "server/service/filter.h"
#include "server/service/handle.h"
#include "server/service/page_token.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::server {
namespace {

constexpr int32_t kUsualPage = 100;
constexpr size_t kMaxPageBytes = size_t{1} << 20;

}  // namespace

void ResultsService::SetLiveState(v1::Result& result, v1::ExperimentState experiment) const {
  if (result.state() != v1::JOB_STATE_QUEUED) return;
  const absl::StatusOr<int64_t> id = ParseJobName(result.name());
  const v1::JobState live = id.ok() ? coordinator_.StateOf(*id) : v1::JOB_STATE_UNSPECIFIED;
  if (live != v1::JOB_STATE_UNSPECIFIED) {
    result.set_state(live);
  } else if (experiment == v1::EXPERIMENT_STATE_CANCELLED) {
    result.set_state(v1::JOB_STATE_CANCELLED);
  }
}

grpc::Status ResultsService::GetResult(grpc::ServerContext*, const v1::GetResultRequest* request,
                                       v1::Result* response) {
  return Handle("GetResult", response, [&]() -> absl::StatusOr<v1::Result> {
    ASSIGN_OR_RETURN(const int64_t id, ParseJobName(request->name()));
    ASSIGN_OR_RETURN(v1::Result result, reader_.GetResult(id));
    SetLiveState(result, v1::EXPERIMENT_STATE_UNSPECIFIED);
    return result;
  });
}

grpc::Status ResultsService::ListResults(grpc::ServerContext*, const v1::ListResultsRequest* request,
                                         v1::ListResultsResponse* response) {
  return Handle("ListResults", response, [&] { return List(*request); });
}

absl::StatusOr<v1::ListResultsResponse> ResultsService::List(const v1::ListResultsRequest& request) const {
  storage::ResultQuery query;
  ASSIGN_OR_RETURN(query.experiment_id, ParseExperimentName(request.parent()));
  ASSIGN_OR_RETURN(const int64_t size, PageSize(request.page_size(), kUsualPage));
  ASSIGN_OR_RETURN(query.where, ParseFilter(request.filter()));
  query.limit = size + 1;
  query.with_spec = request.with_spec();
  query.with_details = request.with_details();
  const std::string arguments = absl::StrCat("ListResults\n", request.parent(), "\n", request.filter(), "\n",
                                             request.with_spec(), request.with_details());
  if (!request.page_token().empty()) {
    ASSIGN_OR_RETURN(const std::vector<int64_t> after, ParsePageToken(request.page_token(), arguments, 2));
    query.after_point = after[0];
    query.after_replicate = after[1];
  }
  ASSIGN_OR_RETURN(const storage::ExperimentRow row, reader_.GetExperiment(query.experiment_id));
  const Expansion expansion = Expansion::Restore(row.experiment);
  ASSIGN_OR_RETURN(std::vector<v1::Result> results, reader_.ListResults(query));

  v1::ListResultsResponse page;
  size_t bytes = 0;
  for (v1::Result& result : results) {
    bytes += result.ByteSizeLong();
    const bool full = page.results_size() == size || (bytes > kMaxPageBytes && !page.results().empty());
    if (full) {
      const v1::Result& last = *page.results().rbegin();
      page.set_next_page_token(MakePageToken(arguments, {last.point(), last.replicate()}));
      break;
    }
    SetLiveState(result, row.state);
    for (std::string& label : expansion.Labels(result.point())) result.add_axis_labels(std::move(label));
    *page.add_results() = std::move(result);
  }
  return page;
}

grpc::Status ResultsService::ListAttempts(grpc::ServerContext*, const v1::ListAttemptsRequest* request,
                                          v1::ListAttemptsResponse* response) {
  return Handle("ListAttempts", response, [&]() -> absl::StatusOr<v1::ListAttemptsResponse> {
    ASSIGN_OR_RETURN(const int64_t id, ParseJobName(request->parent()));
    ASSIGN_OR_RETURN(std::vector<v1::Attempt> attempts, reader_.ListAttempts(id));
    v1::ListAttemptsResponse answer;
    for (v1::Attempt& attempt : attempts) *answer.add_attempts() = std::move(attempt);
    return answer;
  });
}

}  // namespace dmfrag::server
