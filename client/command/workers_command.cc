#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/command/message_output.h"
#include "client/command/registry.h"
#include "client/command/worker_list.h"
#include "client/connection/connection.h"
#include "client/format/csv.h"
#include "client/format/table.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// Lists the workers that the server knows.
class WorkersCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("workers", "List the workers that the server has seen since it started");
    sub->footer("Example:\n  dmfrag workers");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection,
                     Connection::Open({.server = options.server}, environment));
    ASSIGN_OR_RETURN(const v1::ListWorkersResponse all, ListAllWorkers(*connection));
    PrintResponse(all, options.output, environment.out, PrintTable, PrintCsv);
    return ExitCode::kOk;
  }

 private:
  static void PrintTable(const v1::ListWorkersResponse& all, std::ostream& out) {
    Table table;
    for (const char* title : {"worker", "host", "state", "build"}) table.AddColumn(title, Table::Align::kLeft);
    for (const char* title : {"slots", "running", "completed"}) table.AddColumn(title, Table::Align::kRight);
    table.AddColumn("processor", Table::Align::kLeft);
    for (const v1::Worker& worker : all.workers()) {
      table.AddRow({{Printable(worker.name())},
                    {Printable(worker.host())},
                    {worker.connected() ? "connected" : "away"},
                    {Printable(worker.build())},
                    {absl::StrCat(worker.slots())},
                    {absl::StrCat(worker.running())},
                    {absl::StrCat(worker.completed())},
                    {Printable(worker.cpu_model())}});
    }
    out << table.Render(/*styled=*/false);
  }

  static void PrintCsv(const v1::ListWorkersResponse& all, std::ostream& out) {
    out << CsvRecord(
        {"worker", "host", "connected", "build", "model_version", "slots", "running", "completed", "cpu_model"});
    for (const v1::Worker& worker : all.workers()) {
      out << CsvRecord({worker.name(), worker.host(), worker.connected() ? "true" : "false", worker.build(),
                        absl::StrCat(worker.model_version()), absl::StrCat(worker.slots()),
                        absl::StrCat(worker.running()), absl::StrCat(worker.completed()), worker.cpu_model()});
    }
  }
};

}  // namespace

std::unique_ptr<Command> NewWorkersCommand() { return std::make_unique<WorkersCommand>(); }

}  // namespace dmfrag::client
