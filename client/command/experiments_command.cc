#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/command/enum_name.h"
#include "client/command/message_output.h"
#include "client/command/registry.h"
#include "client/connection/connection.h"
#include "client/format/csv.h"
#include "client/format/number.h"
#include "client/format/table.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

constexpr int kPageSize = 1000;

std::string TimeText(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(time.seconds()), absl::UTCTimeZone());
}

// Lists the experiments, newest first.
class ExperimentsCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("experiments", "List the experiments, newest first");
    sub->footer("Example:\n  dmfrag experiments -o json");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection,
                     Connection::Open({.server = options.server}, environment));
    ASSIGN_OR_RETURN(const v1::ListExperimentsResponse all, ListAll(*connection));
    PrintResponse(all, options.output, environment.out, PrintTable, PrintCsv);
    return ExitCode::kOk;
  }

 private:
  static absl::StatusOr<v1::ListExperimentsResponse> ListAll(Connection& connection) {
    v1::ListExperimentsResponse all;
    v1::ListExperimentsRequest request;
    request.set_page_size(kPageSize);
    do {
      ASSIGN_OR_RETURN(
          const v1::ListExperimentsResponse page,
          connection.Call(connection.experiments(), &v1::Experiments::StubInterface::ListExperiments, request));
      for (const v1::Experiment& experiment : page.experiments()) {
        v1::Experiment& added = *all.add_experiments();
        added = experiment;
        added.clear_source_text();
      }
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return all;
  }

  static void PrintTable(const v1::ListExperimentsResponse& all, std::ostream& out) {
    Table table;
    table.AddColumn("experiment", Table::Align::kLeft);
    table.AddColumn("name", Table::Align::kLeft);
    table.AddColumn("state", Table::Align::kLeft);
    for (const char* title : {"jobs", "succeeded", "cached", "failed"}) table.AddColumn(title, Table::Align::kRight);
    table.AddColumn("submitted", Table::Align::kLeft);
    for (const v1::Experiment& experiment : all.experiments()) {
      const v1::JobCounts& counts = experiment.counts();
      table.AddRow({{experiment.name()},
                    {Printable(experiment.display_name())},
                    {EnumName(experiment.state())},
                    {FormatCount(counts.total())},
                    {FormatCount(counts.succeeded())},
                    {FormatCount(counts.cached())},
                    {FormatCount(counts.failed())},
                    {TimeText(experiment.create_time())}});
    }
    out << table.Render(/*styled=*/false);
  }

  static void PrintCsv(const v1::ListExperimentsResponse& all, std::ostream& out) {
    out << CsvRecord({"experiment", "name", "state", "points", "jobs", "queued", "running", "succeeded", "failed",
                      "cancelled", "cached", "create_time"});
    for (const v1::Experiment& experiment : all.experiments()) {
      const v1::JobCounts& counts = experiment.counts();
      std::vector<std::string> record = {experiment.name(), experiment.display_name(), EnumName(experiment.state())};
      for (const int64_t count : {experiment.points(), counts.total(), counts.queued(), counts.running(),
                                  counts.succeeded(), counts.failed(), counts.cancelled(), counts.cached()}) {
        record.push_back(absl::StrCat(count));
      }
      record.push_back(TimeText(experiment.create_time()));
      out << CsvRecord(record);
    }
  }
};

}  // namespace

std::unique_ptr<Command> NewExperimentsCommand() { return std::make_unique<ExperimentsCommand>(); }

}  // namespace dmfrag::client
