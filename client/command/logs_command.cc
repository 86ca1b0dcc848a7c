#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "client/command/enum_name.h"
#include "client/command/message_output.h"
#include "client/command/names.h"
#include "client/command/registry.h"
#include "client/connection/connection.h"
#include "client/format/csv.h"
#include "client/format/table.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// Text of others for the terminal: lines stay, escapes do not.
std::string PrintableLines(const std::string& text) {
  std::string printable;
  size_t start = 0;
  while (start < text.size()) {
    const size_t end = std::min(text.find('\n', start), text.size());
    absl::StrAppend(&printable, "    ", Printable(std::string_view(text).substr(start, end - start)), "\n");
    start = end + 1;
  }
  return printable;
}

std::string HowItEnded(const v1::Attempt& attempt) {
  if (!attempt.has_end_time()) return "running";
  if (attempt.failure_class() == v1::FAILURE_CLASS_UNSPECIFIED) return "succeeded";
  return absl::StrCat(EnumName(attempt.failure_class()), ": ", Printable(attempt.failure()));
}

// Shows every attempt of a job with the end of its standard error.
class LogsCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("logs", "Show every attempt of a job, with the end of its standard error");
    sub->add_option("job", job_, "Its name: jobs/42 or 42")->required()->type_name("JOB");
    sub->footer("Example:\n  dmfrag logs 1");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    v1::ListAttemptsRequest request;
    ASSIGN_OR_RETURN(*request.mutable_parent(), ResolveJob(job_));
    ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection,
                     Connection::Open({.server = options.server}, environment));
    ASSIGN_OR_RETURN(const v1::ListAttemptsResponse response,
                     connection->Call(connection->results(), &v1::Results::StubInterface::ListAttempts, request));
    const auto print_text = [&](const v1::ListAttemptsResponse& attempts, std::ostream& out) {
      PrintText(request.parent(), attempts, out);
    };
    PrintResponse(response, options.output, environment.out, print_text, PrintCsv);
    return ExitCode::kOk;
  }

 private:
  static void PrintText(const std::string& job, const v1::ListAttemptsResponse& response, std::ostream& out) {
    if (response.attempts().empty()) out << job << " has not been tried yet\n";
    for (const v1::Attempt& attempt : response.attempts()) {
      out << job << " attempt " << attempt.number() << " on worker " << Printable(attempt.worker()) << ": "
          << HowItEnded(attempt) << "\n"
          << PrintableLines(attempt.stderr_tail());
    }
  }

  static void PrintCsv(const v1::ListAttemptsResponse& response, std::ostream& out) {
    out << CsvRecord({"attempt", "worker", "epoch", "fence", "failure_class", "failure", "stderr_tail"});
    for (const v1::Attempt& attempt : response.attempts()) {
      const bool failed = attempt.failure_class() != v1::FAILURE_CLASS_UNSPECIFIED;
      out << CsvRecord({absl::StrCat(attempt.number()), attempt.worker(), absl::StrCat(attempt.epoch()),
                        absl::StrCat(attempt.fence()), failed ? EnumName(attempt.failure_class()) : "",
                        attempt.failure(), attempt.stderr_tail()});
    }
  }

  std::string job_;
};

}  // namespace

std::unique_ptr<Command> NewLogsCommand() { return std::make_unique<LogsCommand>(); }

}  // namespace dmfrag::client
