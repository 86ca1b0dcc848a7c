#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/command/recording_summary.h"
#include "client/command/registry.h"
#include "client/files/new_file.h"
#include "client/recording/import.h"
#include "client/recording/run_snapshot.h"
#include "client/recording/user_rules.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// trace.txt.xz -> trace.dmrec
std::string DefaultOutput(const std::string& input) {
  std::filesystem::path path(input);
  for (const char* compressed : {".gz", ".xz", ".zst"}) {
    if (path.extension() == compressed) {
      path.replace_extension();
      break;
    }
  }
  return path.replace_extension(".dmrec");
}

// What other tools recorded becomes a recording file, which can be replayed under any cache type.
class ImportCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("import", "Make a recording file of what ftrace, trace-cmd or perf recorded");
    sub->add_option("RECORDING", input_,
                    "Text of ftrace, trace-cmd report or perf script, or a trace.dat; plain, gz, xz or zst; or a "
                    "recording file, to tell its users apart anew; - for standard input")
        ->required();
    AddOutputFile(*sub, file_, "Recording to write; default: RECORDING's name with .dmrec", "FILE.dmrec");
    sub->add_option("--users", users_, "Rules that tell users apart")->type_name("RULES.yaml");
    sub->add_option("--start", start_,
                    "The recorded run (.json.xz) that the trace belongs to: its machine before and after")
        ->type_name("RUN");
    sub->add_flag("--partial", partial_, "Keep what stands before damage, or before another boot");
    sub->add_flag("--force", force_, "Replace the file if there is one");
    sub->footer("Example:\n  dmfrag import trace.txt.xz -o trace.dmrec");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    if (input_ == "-") input_ = "/dev/stdin";
    std::error_code ignored;
    if (file_.empty() && std::filesystem::is_other(std::filesystem::status(input_, ignored))) {
      return absl::InvalidArgumentError("what comes from a pipe has no name: say with -o which file to write");
    }
    if (file_.empty()) file_ = DefaultOutput(input_);
    RETURN_IF_ERROR(NotItself());
    ImportOptions import;
    import.partial = partial_;
    std::optional<UserRules> rules;
    if (!users_.empty()) {
      ASSIGN_OR_RETURN(rules, ReadUserRules(users_));
      import.users = &*rules;
    }
    if (!start_.empty()) {
      ASSIGN_OR_RETURN(RunSnapshots run, ReadRunSnapshots(start_));
      import.before = std::move(run.before);
      import.after = std::move(run.after);
      import.page_offset_base = run.page_offset_base;
    }
    ASSIGN_OR_RETURN(const std::unique_ptr<NewFile> output, NewFile::Create(file_, force_));
    ASSIGN_OR_RETURN(ImportSummary imported,
                     ImportRecording(input_, import, [&](std::string_view bytes) { return output->Write(bytes); }));
    RETURN_IF_ERROR(output->Keep());
    PrintRecordingSummary({.file = file_,
                           .file_bytes = output->bytes(),
                           .source = std::move(imported.source),
                           .by_kind = imported.by_kind,
                           .end = std::move(imported.end),
                           .missing = {}},
                          options.output, environment);
    return ExitCode::kOk;
  }

 private:
  // A recording file that is read again needs another name: its own would be the default.
  absl::Status NotItself() const {
    std::error_code ignored;
    if (!std::filesystem::equivalent(input_, file_, ignored)) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(file_, " is what is imported; give another name with -o"));
  }

  std::string input_;
  std::string file_;
  std::string users_;
  std::string start_;
  bool partial_ = false;
  bool force_ = false;
};

}  // namespace

std::unique_ptr<Command> NewImportCommand() { return std::make_unique<ImportCommand>(); }

}  // namespace dmfrag::client
