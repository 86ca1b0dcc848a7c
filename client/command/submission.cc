#include "client/command/submission.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/command/message_output.h"
#include "client/command/names.h"
#include "client/format/csv.h"
#include "client/format/number.h"
#include "client/format/table.h"
#include "client/replay/upload.h"
#include "client/sweep/sweep.h"
#include "client/sweep/yaml_reader.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// No more than one byte beyond what a sweep file may have: /dev/zero must end.
absl::StatusOr<std::string> ReadFile(const std::string& name) {
  errno = 0;
  std::ifstream file(name, std::ios::binary);
  std::string text(kMaxSweepFileBytes + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": ", errno != 0 ? std::strerror(errno) : "cannot be read", "; name a sweep file"));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

}  // namespace

void AddSubmissionOptions(CLI::App& sub, SubmissionOptions& options) {
  sub.add_option("file", options.file, "Sweep file: .yaml, .json or .txtpb")->required()->type_name("FILE");
  sub.add_flag("--dry-run", options.dry_run, "Check the sweep and count its points and jobs; submit nothing");
  sub.add_flag("--no-cache", options.no_cache, "Run every job, also those whose result is known");
  sub.add_option("--request-id", options.request_id,
                 "A UUID that makes it safe to repeat the submit; a fresh one by default")
      ->type_name("UUID");
}

void AddWorkerOptions(CLI::App& sub, WorkerOptions& options) {
  sub.add_option("--workers", options.workers, "Workers to start for a server of your own, if none is there")
      ->check(CLI::Range(1, kMaxLocalWorkers))
      ->capture_default_str();
  sub.add_option("--slots", options.slots, "Jobs each of them runs at once; the processors are shared out by default")
      ->check(CLI::Range(1, kMaxLocalSlots));
}

absl::StatusOr<LoadedSweep> LoadSweep(const std::string& file) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
  LoadedSweep sweep;
  ASSIGN_OR_RETURN(sweep.experiment, ParseSweep(text, file, &sweep.captures));
  return sweep;
}

absl::StatusOr<v1::Experiment> SubmitSweep(Connection& connection, const SubmissionOptions& options,
                                           const LoadedSweep& sweep) {
  for (const CaptureFile& capture : sweep.captures) RETURN_IF_ERROR(UploadCapture(connection, capture));
  return Submit(connection, options, sweep.experiment);
}

absl::StatusOr<v1::Experiment> Submit(Connection& connection, const SubmissionOptions& options,
                                      const v1::Experiment& experiment) {
  v1::CreateExperimentRequest request;
  *request.mutable_experiment() = experiment;
  request.set_validate_only(options.dry_run);
  request.set_no_cache(options.no_cache);
  // One id for all tries: gRPC repeats the call when the server was away.
  if (!options.dry_run) request.set_request_id(options.request_id.empty() ? NewRequestId() : options.request_id);
  absl::StatusOr<v1::Experiment> created =
      connection.Call(connection.experiments(), &v1::Experiments::StubInterface::CreateExperiment, request);
  if (absl::IsInvalidArgument(created.status()) && !options.file.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(options.file, ": ", created.status().message()));
  }
  return created;
}

void PrintSubmission(const v1::Experiment& experiment, bool dry_run, OutputFormat output, std::ostream& out) {
  if (output == OutputFormat::kJson) {
    v1::Experiment shown = experiment;
    shown.clear_source_text();
    out << MessageJson(shown);
  } else if (output == OutputFormat::kCsv) {
    out << CsvRecord({"experiment", "points", "jobs"})
        << CsvRecord({experiment.name(), absl::StrCat(experiment.points()), absl::StrCat(experiment.counts().total())});
  } else if (dry_run) {
    out << Printable(experiment.display_name()) << ": " << FormatCount(experiment.points())
        << (experiment.points() == 1 ? " point, " : " points, ") << FormatCount(experiment.counts().total())
        << (experiment.counts().total() == 1 ? " job" : " jobs") << "; nothing was submitted\n";
  } else {
    out << experiment.name() << "\n";
  }
}

ExitCode ExitCodeOfExperiment(const v1::Experiment& experiment) {
  const v1::JobCounts& counts = experiment.counts();
  const bool complete = experiment.state() == v1::EXPERIMENT_STATE_DONE && counts.failed() + counts.cancelled() == 0;
  return complete ? ExitCode::kOk : ExitCode::kJobsFailed;
}

std::string ComeBackText(const std::string& name, bool private_server) {
  const std::string id = name.substr(name.find('/') + 1);
  if (private_server) {
    return absl::StrCat(name,
                        " is kept with every result it has; its private server and workers stop now. Go on with: "
                        "dmfrag wait ",
                        id, "\n");
  }
  return absl::StrCat(name, " goes on at the server. Come back with: dmfrag wait ", id,
                      "; stop it with: dmfrag cancel ", id, "\n");
}

}  // namespace dmfrag::client
