#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/command/progress.h"
#include "client/command/registry.h"
#include "client/command/submission.h"
#include "client/connection/connection.h"
#include "client/format/table.h"
#include "client/replay/allocator_summary.h"
#include "client/replay/capture_file.h"
#include "client/replay/free_running_json.h"
#include "client/replay/free_running_steps.h"
#include "client/replay/free_running_summary.h"
#include "client/replay/recording_experiment.h"
#include "client/replay/recording_summary.h"
#include "client/replay/replay.h"
#include "client/replay/summary.h"
#include "client/replay/summary_json.h"
#include "client/replay/upload.h"
#include "client/results/result_pages.h"
#include "client/sweep/axis_reader.h"
#include "client/sweep/quantity.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// Starts drawn of each capture, unless the command line says otherwise.
constexpr uint32_t kSeeds = 20;
constexpr uint32_t kMostSeeds = 1000;

// Predicts what recorded kernels did, and compares: the direct map from their recorded requests; or splits and free
// memory, with frames of the model's own; or the page allocator, event by event of a trace. Of a recording, what its
// requests come to under other cache types.
class ReplayCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("replay", "Predict what recorded kernels did, and compare step by step");
    CLI::Option* files = sub->add_option("capture", files_, "Captures: .json.xz or .json; or one recording: .dmrec")
                             ->type_name("CAPTURE");
    sub->add_option("--all", folder_, "Every capture below this folder")->type_name("DIR")->excludes(files);
    sub->add_option("--steps", steps_, "changed: steps in which a counter moved or differs; all: every compared step")
        ->check(CLI::IsMember({"changed", "all"}))
        ->capture_default_str();
    sub->add_option("--frames", frames_,
                    "recorded: the kernel's frames, which predict the direct map; model: frames of the model's own "
                    "choice, which predict splits and free memory")
        ->check(CLI::IsMember({"recorded", "model"}))
        ->capture_default_str();
    seeds_option_ =
        sub->add_option(
               "--seeds", seeds_,
               "Starts to draw of each capture, with --frames=model; of a recording, seeds (then 10 by default)")
            ->check(CLI::Range(1u, kMostSeeds))
            ->capture_default_str();
    sub->add_option("--trace", trace_file_,
                    "Replay the page allocator event by event of this trace (.trace.xz) of the one capture named, "
                    "which has dumps of free lists")
        ->type_name("TRACE")
        ->excludes("--frames", "--all");
    caches_option_ = sub->add_option("--cache", caches_, "Of a recording: cache types to run its requests under")
                         ->delimiter(',')
                         ->type_name("TYPE,...")
                         ->capture_default_str();
    memory_option_ = sub->add_option("--memory", memory_,
                                     "Of a recording: memory of the machine, which boots then; by default the recorded "
                                     "machine goes on, or one of 4GiB boots if it was not recorded")
                         ->type_name("SIZE");
    sub->add_flag("-v,--verbose", verbose_, "The steps of every capture, with --frames=model");
    sub->add_flag("--no-cache", no_cache_, "Run every replay, also those whose result is known");
    AddWorkerOptions(*sub, workers_);
    sub->footer("Example:\n  dmfrag replay build.dmrec --cache none,global,hierarchical");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    if (std::any_of(files_.begin(), files_.end(), IsRecordingFile)) return ReplayRecording(options, environment);
    RETURN_IF_ERROR(CheckOptions());
    RETURN_IF_ERROR(ReadFiles());
    if (!captures_.empty()) RETURN_IF_ERROR(RunJobs(options, environment));
    if (trace_.has_value()) return PrintTrace(options.output, environment);
    return WithModelFrames() ? PrintFreeRunning(options.output, environment)
                             : PrintRecorded(options.output, environment);
  }

 private:
  // One file that was named: an index of captures_, or why it is none.
  struct Entry {
    std::string file;
    size_t capture = 0;
    std::string error = {};
  };

  bool WithModelFrames() const { return frames_ == "model"; }

  // What is said of a recording must fit it.
  absl::StatusOr<RecordingOptions> OptionsOfRecording() const {
    if (files_.size() != 1) return absl::InvalidArgumentError("a recording is replayed by itself: name it alone");
    if (WithModelFrames() || verbose_ || !trace_file_.empty()) {
      return absl::InvalidArgumentError(
          "--frames, --trace and --verbose are for captures; leave them out of a recording");
    }
    RecordingOptions recording{.caches = caches_, .memory_bytes = std::nullopt};
    if (seeds_option_->count() > 0) recording.seeds = seeds_;
    if (memory_option_->count() > 0) {
      const absl::StatusOr<uint64_t> bytes = ParseSize(memory_);
      if (!bytes.ok()) return absl::InvalidArgumentError(absl::StrCat("--memory: ", bytes.status().message()));
      recording.memory_bytes = *bytes;
    }
    return recording;
  }

  absl::StatusOr<ExitCode> ReplayRecording(const GlobalOptions& options, Environment& environment) {
    ASSIGN_OR_RETURN(const RecordingOptions recording, OptionsOfRecording());
    ASSIGN_OR_RETURN(const CaptureFile file, ReadCaptureFile(files_.front()));
    captures_ = {file};
    ASSIGN_OR_RETURN(const v1::Experiment experiment, RecordingExperiment(file, recording));
    RETURN_IF_ERROR(RunExperiment(experiment, recording.caches.size(), options, environment));
    std::vector<RecordingRow> rows;
    for (size_t point = 0; point < recording.caches.size(); ++point) {
      rows.push_back(RecordingRowOf(experiment.axes(0).values(static_cast<int>(point)).label(), results_[point]));
    }
    switch (options.output) {
      case OutputFormat::kJson:
        environment.out << RecordingJson(rows);
        break;
      case OutputFormat::kCsv:
        environment.out << RecordingCsv(rows);
        break;
      case OutputFormat::kTable:
        environment.out << RecordingText(rows);
        break;
    }
    const auto failed = [](const RecordingRow& row) { return !row.error.empty(); };
    return std::any_of(rows.begin(), rows.end(), failed) ? ExitCode::kJobsFailed : ExitCode::kOk;
  }

  absl::Status CheckOptions() {
    if (caches_option_->count() > 0 || memory_option_->count() > 0) {
      return absl::InvalidArgumentError(
          "--cache and --memory are for recordings (.dmrec): a capture is replayed on its own machine, without a "
          "cache");
    }
    if (WithModelFrames()) return absl::OkStatus();
    if (seeds_option_->count() > 0 || verbose_) {
      return absl::InvalidArgumentError(
          absl::StrCat(verbose_ ? "--verbose shows steps" : "--seeds draws starts",
                       " of replays with the model's frames; add --frames=model or leave it out"));
    }
    if (trace_file_.empty()) return absl::OkStatus();
    if (files_.size() != 1) {
      return absl::InvalidArgumentError("--trace is of one run: name the one capture it belongs to");
    }
    ASSIGN_OR_RETURN(trace_, ReadCaptureFile(trace_file_));
    return absl::OkStatus();
  }

  ReplayOptions Options() const {
    ReplayOptions options;
    if (WithModelFrames()) {
      options.frames = v1::REPLAY_FRAMES_MODEL;
      options.seeds = seeds_;
    }
    if (trace_.has_value()) options.trace_sha256 = trace_->sha256;
    return options;
  }

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
    return RunExperiment(ReplayExperiment(captures_, Options()), captures_.size(), options, environment);
  }

  // Uploads the files, and takes in the results of an experiment of so many points.
  absl::Status RunExperiment(const v1::Experiment& experiment, size_t points, const GlobalOptions& options,
                             Environment& environment) {
    ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection,
                     Connection::Open({.server = options.server, .workers = workers_}, environment));
    for (const CaptureFile& capture : captures_) RETURN_IF_ERROR(UploadCapture(*connection, capture));
    if (trace_.has_value()) RETURN_IF_ERROR(UploadCapture(*connection, *trace_));
    SubmissionOptions submission;
    submission.no_cache = no_cache_;
    ASSIGN_OR_RETURN(const v1::Experiment submitted, Submit(*connection, submission, experiment));
    const absl::StatusOr<v1::Experiment> ended =
        AwaitExperiment(*connection, submitted.name(), absl::InfiniteDuration(), /*quiet=*/false, environment);
    if (absl::IsCancelled(ended.status())) {
      environment.err << ComeBackText(submitted.name(), connection->is_private());
    }
    RETURN_IF_ERROR(ended.status());
    v1::ListResultsRequest request;
    request.set_parent(submitted.name());
    request.set_with_details(true);
    return ForEachResult(*connection, request, [this, points](const v1::Result& result) {
      if (result.point() < 0 || result.point() >= static_cast<int64_t>(points)) {
        return absl::InternalError(absl::StrCat("the server sent point ", result.point(), ", which is none of ours"));
      }
      results_[static_cast<size_t>(result.point())].push_back(result);
      return absl::OkStatus();
    });
  }

  // What `make` says of the results of each entry, or why there are none.
  template <typename Summary, typename Make>
  std::vector<Summary> Summaries(const Make& make) const {
    std::vector<Summary> summaries;
    for (const Entry& entry : entries_) {
      Summary summary;
      if (!entry.error.empty()) {
        summary.error = entry.error;
      } else if (const auto results = results_.find(entry.capture); results != results_.end()) {
        summary = make(results->second, captures_[entry.capture]);
      } else {
        summary.error = "the server sent no result for it";
      }
      summary.file = entry.file;
      summaries.push_back(std::move(summary));
    }
    return summaries;
  }

  ExitCode PrintTrace(OutputFormat output, Environment& environment) const {
    const auto results = results_.find(0);
    const std::string failure =
        results == results_.end() ? "the server sent no result for it" : FailureOf(results->second.front());
    if (!failure.empty()) {
      environment.err << "dmfrag: " << trace_file_ << ": " << Printable(failure) << "\n";
      return ExitCode::kJobsFailed;
    }
    const v1::ReplayReport& report = results->second.front().result().replay();
    switch (output) {
      case OutputFormat::kJson:
        environment.out << AllocatorJson(report);
        break;
      case OutputFormat::kCsv:
        environment.out << AllocatorCsv(report);
        break;
      case OutputFormat::kTable:
        environment.out << AllocatorText(report);
        break;
    }
    return ExitCode::kOk;
  }

  // What the model picks is compared with marks, which are the reader's to judge: a difference is no error.
  ExitCode PrintFreeRunning(OutputFormat output, Environment& environment) const {
    auto summaries = Summaries<FreeRunningSummary>(FreeRunningSummaryOf);
    SortWorstFirst(summaries);
    std::ostream& out = environment.out;
    switch (output) {
      case OutputFormat::kJson:
        out << FreeRunningJson(summaries);
        break;
      case OutputFormat::kCsv:
        out << FreeRunningCsv(summaries);
        break;
      case OutputFormat::kTable:
        for (const FreeRunningSummary& summary : summaries) {
          if (!summary.error.empty() || (summaries.size() > 1 && !verbose_)) continue;
          out << summary.capture() << ", kernel " << summary.kernel() << ", from the counts of step "
              << summary.seeds.front().start_step() << ", mean of " << summary.seeds.size()
              << " seeds; model/kernel, splits of each step\n"
              << MeanStepTable(MeanSteps(summary.seeds), steps_ == "all");
        }
        out << FreeRunningTable(summaries);
        break;
    }
    return HasError(summaries) ? ExitCode::kJobsFailed : ExitCode::kOk;
  }

  ExitCode PrintRecorded(OutputFormat output, Environment& environment) const {
    const auto summaries =
        Summaries<CaptureSummary>([](const std::vector<v1::Result>& results, const CaptureFile& file) {
          return SummaryOf(results.front(), file);
        });
    Print(summaries, output, environment.out);
    if (HasUnexplainedDifference(summaries)) return ExitCode::kMismatch;
    return HasError(summaries) ? ExitCode::kJobsFailed : ExitCode::kOk;
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
  std::string frames_ = "recorded";
  uint32_t seeds_ = kSeeds;
  CLI::Option* seeds_option_ = nullptr;
  std::vector<std::string> caches_ = {"none"};
  CLI::Option* caches_option_ = nullptr;
  std::string memory_;
  CLI::Option* memory_option_ = nullptr;
  bool verbose_ = false;
  std::string trace_file_;
  std::optional<CaptureFile> trace_;
  bool no_cache_ = false;
  WorkerOptions workers_;
  std::vector<Entry> entries_;
  // Each content once.
  std::vector<CaptureFile> captures_;
  // By index of captures_, a result for each seed.
  std::map<size_t, std::vector<v1::Result>> results_;
};

}  // namespace

std::unique_ptr<Command> NewReplayCommand() { return std::make_unique<ReplayCommand>(); }

}  // namespace dmfrag::client
