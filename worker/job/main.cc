// dmfrag-job: runs one job spec and prints its result. No network, no store.
#include <iostream>
#include <map>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "proto/support/canonical.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/convert/aged_state_folder.h"
#include "worker/convert/capture_source.h"
#include "worker/convert/run_job.h"
#include "worker/job/report.h"
#include "worker/job/spec_file.h"

namespace dmfrag::job {
namespace {

struct Arguments {
  std::string spec_file;
  std::string captures;
  std::string aged_states;
  ReportFormat format = ReportFormat::kJson;
};

absl::Status RunAndPrint(const Arguments& arguments) {
  ASSIGN_OR_RETURN(const v1::JobSpec spec, ReadSpecFile(arguments.spec_file));
  ASSIGN_OR_RETURN(const v1::JobSpec canonical, Canonicalize(spec));
  const convert::AgedStateFolder aged_states(arguments.aged_states, convert::AgedStateFolder::kDefaultMaxBytes);
  ASSIGN_OR_RETURN(const v1::JobResult result, convert::RunJob(canonical, convert::CaptureDirectory(arguments.captures),
                                                               arguments.aged_states.empty() ? nullptr : &aged_states));
  std::cout << Report(canonical, result, arguments.format) << std::flush;
  return std::cout ? absl::OkStatus() : absl::DataLossError("standard output: cannot be written; is the disk full?");
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app(
      "Runs one job of the direct-map model and prints its result.\n\n"
      "Example: echo 'cache { none {} } workload { preset: \"secretmem\" }' | dmfrag-job -");
  app.add_option("spec", arguments.spec_file, "job spec: FILE.txtpb, FILE.json, FILE.binpb, or - for text on stdin")
      ->required();
  app.add_option("--captures", arguments.captures, "directory of captures, each named by its SHA-256");
  app.add_option("--aged-states", arguments.aged_states,
                 "directory to keep aged machines in, 4 GiB at most; without, each job ages its own");
  const std::map<std::string, ReportFormat> formats = {{"json", ReportFormat::kJson},
                                                       {"textproto", ReportFormat::kTextproto}};
  app.add_option("-o,--output", arguments.format, "json (default) or textproto")
      ->transform(CLI::CheckedTransformer(formats))
      ->option_text("FORMAT");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
  const absl::Status status = RunAndPrint(arguments);
  if (status.ok()) return 0;
  std::cerr << "dmfrag-job: " << status.message() << "\n";
  return 1;
}

}  // namespace
}  // namespace dmfrag::job

int main(int argc, char** argv) { return dmfrag::job::Main(argc, argv); }
