#include "client/command/show_results.h"

#include <memory>

#include "client/results/aggregate.h"
#include "client/results/aggregate_output.h"
#include "client/results/raw_output.h"
#include "client/results/result_pages.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

absl::StatusOr<v1::Experiment> GetExperiment(Connection& connection, const std::string& name) {
  v1::GetExperimentRequest request;
  request.set_name(name);
  return connection.Call(connection.experiments(), &v1::Experiments::StubInterface::GetExperiment, request);
}

v1::ListResultsRequest ListRequest(const std::string& experiment, const std::string& filter) {
  v1::ListResultsRequest request;
  request.set_parent(experiment);
  request.set_filter(filter);
  return request;
}

}  // namespace

absl::Status ShowAggregates(Connection& connection, const std::string& experiment, const std::string& filter,
                            OutputFormat output, Environment& environment) {
  ASSIGN_OR_RETURN(const v1::Experiment described, GetExperiment(connection, experiment));
  Aggregation aggregation;
  RETURN_IF_ERROR(ForEachResult(connection, ListRequest(experiment, filter), [&](const v1::Result& result) {
    aggregation.Add(result);
    return absl::OkStatus();
  }));
  switch (output) {
    case OutputFormat::kTable:
      environment.out << AggregateTable(described, aggregation, environment.style_out);
      break;
    case OutputFormat::kJson:
      environment.out << AggregateJson(described, aggregation);
      break;
    case OutputFormat::kCsv:
      environment.out << AggregateCsv(described, aggregation);
      break;
  }
  return absl::OkStatus();
}

absl::Status ShowRaw(Connection& connection, const std::string& experiment, const std::string& filter,
                     OutputFormat output, Environment& environment) {
  ASSIGN_OR_RETURN(const v1::Experiment described, GetExperiment(connection, experiment));
  v1::ListResultsRequest request = ListRequest(experiment, filter);
  request.set_with_spec(true);
  const std::unique_ptr<RawOutput> rows = output == OutputFormat::kJson  ? NewRawJson(described, environment.out)
                                          : output == OutputFormat::kCsv ? NewRawCsv(described, environment.out)
                                                                         : NewRawTable(described, environment.out);
  RETURN_IF_ERROR(ForEachResult(connection, request, [&](const v1::Result& result) {
    rows->Add(result);
    return absl::OkStatus();
  }));
  rows->Finish();
  return absl::OkStatus();
}

}  // namespace dmfrag::client
