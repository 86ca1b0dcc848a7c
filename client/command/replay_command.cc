#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/command/progress.h"
#include "client/command/registry.h"
#include "client/command/submission.h"
#include "client/connection/connection.h"
#include "client/replay/capture_file.h"
#include "client/replay/replay.h"
#include "client/replay/summary.h"
#include "client/replay/summary_json.h"
#include "client/replay/upload.h"
#include "client/results/result_pages.h"
#include "client/sweep/axis_reader.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// Predicts the direct map of recorded kernels from their recorded requests, and compares.
class ReplayCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub =
        app.add_subcommand("replay", "Predict the direct map of recorded kernels, and compare step by step");
    CLI::Option* files = sub->add_option("capture", files_, "Captures: .json.xz or .json")->type_name("CAPTURE");
    sub->add_option("--all", folder_, "Every capture below this folder")->type_name("DIR")->excludes(files);
    sub->add_option("--steps", steps_, "changed: steps in which a counter moved or differs; all: every compared step")
        ->check(CLI::IsMember({"changed", "all"}))
        ->capture_default_str();
    sub->add_flag("--no-cache", no_cache_, "Run every replay, also those whose result is known");
    AddWorkerOptions(*sub, workers_);
    sub->footer("Example:\n  dmfrag replay --all captures/ -o json");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    RETURN_IF_ERROR(ReadFiles());
    if (!captures_.empty()) RETURN_IF_ERROR(RunJobs(options, environment));
    std::vector<CaptureSummary> summaries;
    for (const Entry& entry : entries_) summaries.push_back(SummaryFor(entry));
    Print(summaries, options.output, environment.out);
    if (HasUnexplainedDifference(summaries)) return ExitCode::kMismatch;
    return HasError(summaries) ? ExitCode::kJobsFailed : ExitCode::kOk;
  }

 private:
  // One file that was named: an index of captures_, or why it is none.
  struct Entry {
    std::string file;
    size_t capture = 0;
    std::string error = {};
  };

  // Two files of the same content are one capture. A single file that is none is an error of usage; among several, or
  // in a folder, it is an entry that says so.
  absl::Status ReadFiles() {
    std::vector<std::filesystem::path> paths(files_.begin(), files_.end());
    if (!folder_.empty()) {
      ASSIGN_OR_RETURN(paths, FindCaptureFiles(folder_));
    }
    if (paths.empty()) return absl::InvalidArgumentError("name at least one capture, or a folder with --all DIR");
    if (paths.size() > kMaxAxisValues) {
      return absl::InvalidArgumentError(
          absl::StrCat("there are ", paths.size(), " captures; at most ", kMaxAxisValues, " at once"));
    }
    std::map<std::string, size_t> by_digest;
    for (const std::filesystem::path& path : paths) {
      absl::StatusOr<CaptureFile> capture = ReadCaptureFile(path);
      if (!capture.ok()) {
        if (paths.size() == 1 && folder_.empty()) return capture.status();
        entries_.push_back({.file = path, .error = std::string(capture.status().message())});
        continue;
      }
      const auto [place, fresh] = by_digest.emplace(capture->sha256, captures_.size());
      if (fresh) captures_.push_back(*std::move(capture));
      entries_.push_back({.file = path, .capture = place->second, .error = ""});
    }
    return absl::OkStatus();
  }

  absl::Status RunJobs(const GlobalOptions& options, Environment& environment) {
    ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection,
                     Connection::Open({.server = options.server, .workers = workers_}, environment));
    for (const CaptureFile& capture : captures_) RETURN_IF_ERROR(UploadCapture(*connection, capture));
    SubmissionOptions submission;
    submission.no_cache = no_cache_;
    ASSIGN_OR_RETURN(const v1::Experiment submitted, Submit(*connection, submission, ReplayExperiment(captures_)));
    const absl::StatusOr<v1::Experiment> ended =
        AwaitExperiment(*connection, submitted.name(), absl::InfiniteDuration(), /*quiet=*/false, environment);
    if (absl::IsCancelled(ended.status())) {
      environment.err << ComeBackText(submitted.name(), connection->is_private());
    }
    RETURN_IF_ERROR(ended.status());
    v1::ListResultsRequest request;
    request.set_parent(submitted.name());
    request.set_with_details(true);
    return ForEachResult(*connection, request, [this](const v1::Result& result) {
      if (result.point() < 0 || result.point() >= static_cast<int64_t>(captures_.size())) {
        return absl::InternalError(absl::StrCat("the server sent point ", result.point(), ", which is none of ours"));
      }
      const auto index = static_cast<size_t>(result.point());
      results_[index] = SummaryOf(result, captures_[index]);
      return absl::OkStatus();
    });
  }

  CaptureSummary SummaryFor(const Entry& entry) const {
    CaptureSummary summary;
    if (!entry.error.empty()) {
      summary.error = entry.error;
    } else if (const auto result = results_.find(entry.capture); result != results_.end()) {
      summary = result->second;
    } else {
      summary.error = "the server sent no result for it";
    }
    summary.file = entry.file;
    return summary;
  }

  void Print(const std::vector<CaptureSummary>& summaries, OutputFormat output, std::ostream& out) const {
    const bool all_steps = steps_ == "all";
    switch (output) {
      case OutputFormat::kJson:
        out << SummaryJson(summaries);
        break;
      case OutputFormat::kCsv:
        out << StepCsv(summaries, all_steps);
        break;
      case OutputFormat::kTable:
        if (summaries.size() == 1) {
          PrintOne(summaries.front(), all_steps, out);
        } else {
          out << CaptureTable(summaries);
        }
        out << TotalText(summaries);
        break;
    }
  }

  static void PrintOne(const CaptureSummary& summary, bool all_steps, std::ostream& out) {
    if (!summary.error.empty()) {
      out << CaptureTable({summary});
      return;
    }
    const v1::ReplayReport& report = summary.report;
    out << report.capture_id() << ", kernel " << report.kernel() << ", from "
        << (report.has_start_step() ? absl::StrCat("the dump at step ", report.start_step())
            : report.has_boot()     ? "the map predicted for boot"
                                    : "the e820 map alone")
        << "; counters in KiB and counts, predicted/measured where they differ\n"
        << StepTable(summary, all_steps);
    if (!report.limitation().empty()) out << "limitation: " << report.limitation() << "\n";
  }

  std::vector<std::string> files_;
  std::string folder_;
  std::string steps_ = "changed";
  bool no_cache_ = false;
  WorkerOptions workers_;
  std::vector<Entry> entries_;
  // Each content once.
  std::vector<CaptureFile> captures_;
  // By index of captures_.
  std::map<size_t, CaptureSummary> results_;
};

}  // namespace

std::unique_ptr<Command> NewReplayCommand() { return std::make_unique<ReplayCommand>(); }

}  // namespace dmfrag::client
