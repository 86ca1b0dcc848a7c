#ifndef DMFRAG_CLIENT_COMMAND_SUBMISSION_H_
#define DMFRAG_CLIENT_COMMAND_SUBMISSION_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/command/command.h"
#include "client/connection/connection.h"
#include "client/connection/local_instance.h"
#include "client/replay/capture_file.h"
#include "dmfrag/v1/experiments.pb.h"

namespace dmfrag::client {

// What `run` and `submit` have in common.
struct SubmissionOptions {
  std::string file;
  bool dry_run = false;
  bool no_cache = false;
  std::string request_id;
};

// Adds FILE, --dry-run, --no-cache and --request-id.
void AddSubmissionOptions(CLI::App& sub, SubmissionOptions& options);

// Adds --workers and --slots, for a private server.
void AddWorkerOptions(CLI::App& sub, WorkerOptions& options);

// A sweep file, and the captures that it names.
struct LoadedSweep {
  v1::Experiment experiment;
  std::vector<CaptureFile> captures;
};

// Reads and checks a sweep file. Errors: INVALID_ARGUMENT, one line with the place, also if it cannot be read.
absl::StatusOr<LoadedSweep> LoadSweep(const std::string& file);

// Uploads what the sweep names, and submits it, or only checks it (--dry-run). Errors: as UploadCapture and Submit.
absl::StatusOr<v1::Experiment> SubmitSweep(Connection& connection, const SubmissionOptions& options,
                                           const LoadedSweep& sweep);

// Submits the experiment, or only checks it (--dry-run). Errors: the server's, with the file's name.
absl::StatusOr<v1::Experiment> Submit(Connection& connection, const SubmissionOptions& options,
                                      const v1::Experiment& experiment);

// Prints what --dry-run found, or what was submitted.
void PrintSubmission(const v1::Experiment& experiment, bool dry_run, OutputFormat output, std::ostream& out);

// kJobsFailed unless every job has a result.
ExitCode ExitCodeOfExperiment(const v1::Experiment& experiment);

// What to say after Ctrl-C: what goes on, and how to come back.
std::string ComeBackText(const std::string& name, bool private_server);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_COMMAND_SUBMISSION_H_
