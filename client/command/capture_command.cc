#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "client/capture/capture.h"
#include "client/capture/system_files.h"
#include "client/command/recording_summary.h"
#include "client/command/registry.h"
#include "client/recording/user_rules.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// A day, and what a buffer of 1 GiB for each CPU is: beyond them lies a mistake.
constexpr uint32_t kMostSeconds = 86400;
constexpr uint32_t kMostBufferKib = 1 << 20;
constexpr uint32_t kLeastBufferKib = 64;

// Records the machine it runs on.
class CaptureCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("capture", "Record this machine: its memory, and for a while what asks for it");
    AddOutputFile(*sub, file_, "Recording to write", "FILE.dmrec")->capture_default_str();
    sub->add_flag("--force", force_, "Replace the file if there is one");
    CLI::Option* seconds = sub->add_option("--seconds", seconds_, "How long to record; Ctrl-C ends it early")
                               ->check(CLI::Range(1u, kMostSeconds))
                               ->capture_default_str();
    CLI::Option* stacks = sub->add_flag("--stacks", stacks_, "Record call stacks, which tell users apart");
    CLI::Option* drains = sub->add_flag("--drains", drains_, "Record what leaves the per-CPU lists");
    CLI::Option* buffer = sub->add_option("--buffer-kib", buffer_kib_, "Kernel's trace buffer of each CPU")
                              ->check(CLI::Range(kLeastBufferKib, kMostBufferKib))
                              ->capture_default_str();
    sub->add_flag("--no-trace", no_trace_, "The machine as it is now, without events")
        ->excludes(seconds, stacks, drains, buffer);
    sub->add_option("--users", users_, "Rules that tell users apart, instead of those that are built in")
        ->type_name("RULES.yaml");
    sub->add_flag("--privacy", privacy_,
                  "Drop names of processes, devices of /proc/iomem, and of the kernel's command line all but options "
                  "of memory management");
    sub->footer("Example:\n  dmfrag capture --seconds 60 -o machine.dmrec");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& global, Environment& environment) override {
    CaptureOptions options;
    options.file = file_;
    options.force = force_;
    options.trace = !no_trace_;
    options.length = absl::Seconds(seconds_);
    options.options = {.buffer_kib = buffer_kib_, .stacks = stacks_, .drains = drains_, .privacy = privacy_};
    std::optional<UserRules> rules;
    if (!users_.empty()) {
      ASSIGN_OR_RETURN(rules, ReadUserRules(users_));
      options.rules = &*rules;
    }
    options.on_trace = [&] {
      environment.err << "recording for " << seconds_ << " s; Ctrl-C ends it early" << std::endl;
    };
    ASSIGN_OR_RETURN(CaptureReport report, Capture(options, SystemFiles("/"), environment.interrupt));
    if (report.end.lost_events() != 0) report.missing.push_back("Events were lost: use a larger --buffer-kib.");
    PrintRecordingSummary({.file = file_,
                           .file_bytes = report.file_bytes,
                           .source = "capture",
                           .by_kind = report.by_kind,
                           .end = std::move(report.end),
                           .missing = std::move(report.missing)},
                          global.output, environment);
    return ExitCode::kOk;
  }

 private:
  std::string file_ = "machine.dmrec";
  std::string users_;
  bool force_ = false;
  bool no_trace_ = false;
  bool privacy_ = false;
  bool stacks_ = false;
  bool drains_ = false;
  uint32_t seconds_ = 30;
  uint32_t buffer_kib_ = TraceOptions().buffer_kib;
};

}  // namespace

std::unique_ptr<Command> NewCaptureCommand() { return std::make_unique<CaptureCommand>(); }

}  // namespace dmfrag::client
