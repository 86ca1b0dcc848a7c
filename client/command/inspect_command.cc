#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/command/registry.h"
#include "client/recording/inspect.h"
#include "client/recording/inspection_output.h"
#include "client/recording/run_snapshot.h"
#include "client/replay/capture_file.h"
#include "proto/recording/reader.h"
#include "proto/recording/writer.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// Shows what a recording holds, and what it does not; asks no server.
class InspectCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("inspect", "Show what a recording holds: its machine, events, users, and gaps");
    sub->add_option("FILE", file_, "Recording (.dmrec), or a recorded run (.json.xz)")->required();
    sub->footer("Example:\n  dmfrag inspect web.dmrec");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    ASSIGN_OR_RETURN(const CaptureFile capture, ReadCaptureFile(file_));
    ASSIGN_OR_RETURN(const Inspection inspection, Inspect(capture));
    Print({.name = file_, .sha256 = capture.sha256, .size_bytes = capture.size_bytes}, inspection, options.output,
          environment);
    if (inspection.cut_off.empty()) return ExitCode::kOk;
    // As for every command that is given a damaged file: scripts must not go on with it.
    return absl::InvalidArgumentError(absl::StrCat(file_, ": ", inspection.cut_off));
  }

 private:
  absl::StatusOr<Inspection> Inspect(const CaptureFile& capture) const {
    std::string bytes(recording::kMagic.size(), '\0');
    std::ifstream file(file_, std::ios::binary);
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file || !recording::LooksLikeRecording(bytes)) {
      ASSIGN_OR_RETURN(const RunSnapshots run, ReadRunSnapshots(file_));
      return InspectRun(run);
    }
    const size_t head = bytes.size();
    bytes.resize(static_cast<size_t>(capture.size_bytes));
    file.read(bytes.data() + head, static_cast<std::streamsize>(bytes.size() - head));
    if (!file) return absl::InvalidArgumentError(absl::StrCat(file_, ": cannot be read to its end"));
    absl::StatusOr<Inspection> inspection = InspectRecording(bytes);
    if (inspection.ok()) return inspection;
    return absl::Status(inspection.status().code(), absl::StrCat(file_, ": ", inspection.status().message()));
  }

  static void Print(const InspectedFile& file, const Inspection& inspection, OutputFormat output,
                    Environment& environment) {
    switch (output) {
      case OutputFormat::kTable:
        environment.out << InspectionText(file, inspection, environment.style_out);
        break;
      case OutputFormat::kJson:
        environment.out << InspectionJson(file, inspection);
        break;
      case OutputFormat::kCsv:
        environment.out << InspectionCsv(file, inspection);
        break;
    }
  }

  std::string file_;
};

}  // namespace

std::unique_ptr<Command> NewInspectCommand() { return std::make_unique<InspectCommand>(); }

}  // namespace dmfrag::client
