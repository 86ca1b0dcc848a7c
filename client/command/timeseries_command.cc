#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/command/message_output.h"
#include "client/command/names.h"
#include "client/command/registry.h"
#include "client/connection/connection.h"
#include "client/format/csv.h"
#include "client/format/number.h"
#include "client/format/sparkline.h"
#include "client/format/table.h"
#include "client/sweep/quantity.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

constexpr size_t kCurveWidth = 60;

void PrintCurves(const v1::TimeSeries& all, std::ostream& out) {
  Table table;
  table.AddColumn("metric", Table::Align::kLeft);
  for (const char* title : {"first", "lowest", "highest", "last"}) table.AddColumn(title, Table::Align::kRight);
  table.AddColumn(absl::StrCat("over ", FormatDuration(*all.time_us().rbegin())), Table::Align::kLeft);
  for (const v1::Series& series : all.series()) {
    const std::vector<int64_t> values(series.values().begin(), series.values().end());
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    table.AddRow({{series.metric()},
                  {FormatCount(values.front())},
                  {FormatCount(*low)},
                  {FormatCount(*high)},
                  {FormatCount(values.back())},
                  {Sparkline(values, kCurveWidth)}});
  }
  out << table.Render(/*styled=*/false);
}

void PrintRows(const v1::TimeSeries& all, std::ostream& out) {
  std::vector<std::string> titles = {"time_us"};
  for (const v1::Series& series : all.series()) titles.push_back(series.metric());
  out << CsvRecord(titles);
  for (int i = 0; i < all.time_us_size(); ++i) {
    std::vector<std::string> row = {absl::StrCat(all.time_us(i))};
    for (const v1::Series& series : all.series()) row.push_back(absl::StrCat(series.values(i)));
    out << CsvRecord(row);
  }
}

// A message of another build may hold anything.
absl::Status CheckSeries(const v1::TimeSeries& all, const std::string& job) {
  if (all.time_us_size() == 0) {
    return absl::NotFoundError(
        absl::StrCat(job, " has no time series; its length.sample_interval is 0, or it has not succeeded"));
  }
  for (const v1::Series& series : all.series()) {
    if (series.values_size() != all.time_us_size()) {
      return absl::DataLossError(absl::StrCat(job, ": ", series.metric(), " has ", series.values_size(), " values for ",
                                              all.time_us_size(), " samples"));
    }
  }
  return absl::OkStatus();
}

// Shows how a job's metrics went over simulated time.
class TimeseriesCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("timeseries", "Show a job's metrics over simulated time");
    sub->add_option("job", job_, "Its name: 42 or jobs/42, as `results --raw` shows it")->required()->type_name("JOB");
    sub->footer("Example:\n  dmfrag timeseries 42 -o csv");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    v1::GetResultRequest request;
    ASSIGN_OR_RETURN(*request.mutable_name(), ResolveJob(job_));
    ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection,
                     Connection::Open({.server = options.server}, environment));
    ASSIGN_OR_RETURN(const v1::Result result,
                     connection->Call(connection->results(), &v1::Results::StubInterface::GetResult, request));
    const v1::TimeSeries& all = result.result().time_series();
    RETURN_IF_ERROR(CheckSeries(all, request.name()));
    PrintResponse(all, options.output, environment.out, PrintCurves, PrintRows);
    return ExitCode::kOk;
  }

 private:
  std::string job_;
};

}  // namespace

std::unique_ptr<Command> NewTimeseriesCommand() { return std::make_unique<TimeseriesCommand>(); }

}  // namespace dmfrag::client
