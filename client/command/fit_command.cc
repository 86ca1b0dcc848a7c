#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/command/progress.h"
#include "client/command/recording_summary.h"
#include "client/command/registry.h"
#include "client/command/submission.h"
#include "client/connection/connection.h"
#include "client/files/new_file.h"
#include "client/fit/block_lives.h"
#include "client/fit/fit_mix.h"
#include "client/fit/sweep_text.h"
#include "client/format/table.h"
#include "client/replay/capture_file.h"
#include "client/replay/recorded_machine.h"
#include "client/replay/upload.h"
#include "client/results/result_pages.h"
#include "client/sweep/sweep.h"
#include "nlohmann/json.hpp"
#include "proto/recording/reader.h"
#include "proto/support/value_name.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

constexpr uint32_t kMostSeeds = 100;

// Percent that `value` is off from `from`.
std::string Off(double value, double from) {
  if (from == 0) return value == 0 ? "0.0 %" : "-";
  return absl::StrFormat("%+.1f %%", (value - from) / from * 100);
}

// What runs of one workload gave on average.
struct Outcome {
  double splits = 0;
  double live_at_end = 0;
  double mean_free = 0;
  std::optional<int64_t> kernel_splits = std::nullopt;  // of what was recorded
  int runs = 0;

  void Add(const v1::JobResult& result) {
    ++runs;
    splits += static_cast<double>(result.metrics().splits_2m());
    live_at_end += static_cast<double>(result.metrics().live_pages());
    mean_free += MeanOfSamples(result.time_series());
    if (result.replay().recording().has_kernel_splits_2m()) {
      kernel_splits = result.replay().recording().kernel_splits_2m();
    }
  }

  static double MeanOfSamples(const v1::TimeSeries& samples) {
    for (const v1::Series& series : samples.series()) {
      if (series.metric() != "free_pages" || series.values().empty()) continue;
      double sum = 0;
      for (const int64_t value : series.values()) sum += static_cast<double>(value);
      return sum / series.values_size();
    }
    return 0;
  }
};

// Kernel rules of a machine, as the sweep file writes them; empty if its release is not known.
std::string RulesOf(const v1::MachineSnapshot& machine) {
  const v1::KernelRelease release = ReleaseOf(machine);
  if (release == v1::KERNEL_RELEASE_UNSPECIFIED) return "";
  return ValueName(*v1::KernelRelease_descriptor()->FindValueByNumber(release));
}

// Derives a mix from a recording, and judges it against the recording itself.
class FitCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("fit", "Derive a mix of users from a recording, as a sweep file");
    sub->add_option("FILE", file_, "Recording: .dmrec")->required();
    AddOutputFile(*sub, output_, "Sweep file to write; its machine is the recording's, by a path from there",
                  "FILE.yaml")
        ->required();
    sub->add_flag("--force", force_, "Replace the sweep file if there is one");
    sub->add_option("--windows", windows_, "Phases: windows of equal activity")
        ->check(CLI::Range(1u, kMostFitWindows))
        ->capture_default_str();
    sub->add_flag("--check", check_, "Run both, the recording and the mix, and compare them");
    sub->add_option("--seeds", seeds_, "Runs of each, with --check, and replicates of the sweep")
        ->check(CLI::Range(1u, kMostSeeds))
        ->capture_default_str();
    AddWorkerOptions(*sub, workers_);
    sub->footer("Example:\n  dmfrag fit machine.dmrec -o mix.yaml --check");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    ASSIGN_OR_RETURN(const CaptureFile capture, ReadCaptureFile(file_));
    std::ifstream stream(file_, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    ASSIGN_OR_RETURN(const std::unique_ptr<recording::Reader> reader, Named(recording::Reader::Open(bytes)));
    ASSIGN_OR_RETURN(const BlockLives lives, Named(ReadBlockLives(*reader)));
    ASSIGN_OR_RETURN(const FittedMix fitted, Named(FitMix(lives, reader->end().users(), windows_)));
    RETURN_IF_ERROR(Write(SweepText(HeadOf(capture, *reader, lives, fitted), fitted.mix)));
    PrintExpected(lives, fitted, options.output, environment);
    if (!check_) return ExitCode::kOk;
    return Check(capture, lives, fitted, options, environment);
  }

 private:
  template <typename Value>
  absl::StatusOr<Value> Named(absl::StatusOr<Value> value) const {
    if (value.ok()) return value;
    return absl::Status(value.status().code(), absl::StrCat(file_, ": ", value.status().message()));
  }

  SweepHead HeadOf(const CaptureFile& capture, const recording::Reader& reader, const BlockLives& lives,
                   const FittedMix& fitted) const {
    SweepHead head;
    head.name = "fitted";
    head.duration_us = lives.duration_us;
    head.replicates = seeds_;
    const v1::MachineSnapshot& before = reader.start().before();
    head.kernel = RulesOf(before);
    if (CanStart(before)) {
      std::error_code error;
      const std::filesystem::path folder = std::filesystem::absolute(output_).parent_path();
      head.boot_snapshot = std::filesystem::proximate(std::filesystem::absolute(file_), folder, error).native();
    } else {
      for (const v1::MemoryRange& range : before.usable()) head.memory_bytes += range.end_bytes() - range.start_bytes();
      head.cpus = before.cpus();
    }
    head.comments = {"A mix fitted to a recording by `dmfrag fit`.",
                     absl::StrCat("Recording: SHA-256 ", capture.sha256, "."),
                     absl::StrFormat("Pages in use at its end %d, the mix's %.0f; on average %.0f, the mix's %.0f.",
                                     lives.totals.live_pages, fitted.expected_live_at_end, MeanLivePages(lives),
                                     fitted.expected_mean_live)};
    head.comments.insert(head.comments.end(), fitted.remarks.begin(), fitted.remarks.end());
    return head;
  }

  absl::Status Write(const std::string& text) const {
    ASSIGN_OR_RETURN(const std::unique_ptr<NewFile> file, NewFile::Create(output_, force_));
    RETURN_IF_ERROR(file->Write(text));
    return file->Keep();
  }

  void PrintExpected(const BlockLives& lives, const FittedMix& fitted, OutputFormat output,
                     Environment& environment) const {
    if (check_ || output != OutputFormat::kTable) return;
    Table table;
    AddColumns(table);
    AddRow(table, "live pages at the end", static_cast<double>(lives.totals.live_pages), fitted.expected_live_at_end);
    AddRow(table, "live pages, mean", MeanLivePages(lives), fitted.expected_mean_live);
    environment.out << table.Render(environment.style_out) << fitted.mix.users_size() << " users, "
                    << fitted.mix.phases_size() << " phases: " << output_ << "\n";
  }

  static void AddColumns(Table& table) {
    table.AddColumn("", Table::Align::kLeft);
    table.AddColumn("recording", Table::Align::kRight);
    table.AddColumn("mix", Table::Align::kRight);
    table.AddColumn("difference", Table::Align::kRight);
  }

  static void AddRow(Table& table, const std::string& what, double recorded, double mix) {
    table.AddRow({{what}, {absl::StrFormat("%.1f", recorded)}, {absl::StrFormat("%.1f", mix)}, {Off(mix, recorded)}});
  }

  absl::StatusOr<ExitCode> Check(const CaptureFile& capture, const BlockLives& lives, const FittedMix& expected,
                                 const GlobalOptions& options, Environment& environment) const {
    ASSIGN_OR_RETURN(const LoadedSweep mix, LoadSweep(output_));
    LoadedSweep replay = mix;
    replay.experiment.clear_source_text();
    replay.experiment.mutable_base()->mutable_workload()->mutable_recording()->set_file_sha256(capture.sha256);
    ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection,
                     Connection::Open({.server = options.server, .workers = workers_}, environment));
    RETURN_IF_ERROR(UploadCapture(*connection, capture));
    ASSIGN_OR_RETURN(const Outcome recorded, RunAll(*connection, replay, environment));
    ASSIGN_OR_RETURN(const Outcome fitted, RunAll(*connection, mix, environment));
    PrintCheck(lives, expected, recorded, fitted, options.output, environment);
    return ExitCode::kOk;
  }

  // Means over all runs of one experiment.
  static absl::StatusOr<Outcome> RunAll(Connection& connection, const LoadedSweep& sweep, Environment& environment) {
    ASSIGN_OR_RETURN(const v1::Experiment submitted, SubmitSweep(connection, SubmissionOptions(), sweep));
    RETURN_IF_ERROR(
        AwaitExperiment(connection, submitted.name(), absl::InfiniteDuration(), /*quiet=*/false, environment).status());
    v1::ListResultsRequest request;
    request.set_parent(submitted.name());
    request.set_with_details(true);
    Outcome outcome;
    RETURN_IF_ERROR(ForEachResult(connection, request, [&](const v1::Result& result) {
      if (!result.has_result()) {
        return absl::InternalError(absl::StrCat("a run failed: ", result.failure(), "; see dmfrag logs"));
      }
      outcome.Add(result.result());
      return absl::OkStatus();
    }));
    if (outcome.runs == 0) return absl::InternalError("the server sent no results; see dmfrag logs");
    outcome.splits /= outcome.runs;
    outcome.live_at_end /= outcome.runs;
    outcome.mean_free /= outcome.runs;
    return outcome;
  }

  static void PrintCheck(const BlockLives& lives, const FittedMix& mix, const Outcome& recorded, const Outcome& fitted,
                         OutputFormat output, Environment& environment) {
    if (output == OutputFormat::kTable) {
      Table table;
      AddColumns(table);
      AddRow(table, "splits of 2M pages", recorded.splits, fitted.splits);
      AddRow(table, "live pages at the end", recorded.live_at_end, fitted.live_at_end);
      AddRow(table, "free pages, mean", recorded.mean_free, fitted.mean_free);
      AddRow(table, "live pages, mean as expected", MeanLivePages(lives), mix.expected_mean_live);
      environment.out << table.Render(environment.style_out) << "Means of " << recorded.runs
                      << " runs each, both under no cache. The kernel itself: "
                      << (recorded.kernel_splits.has_value() ? absl::StrCat(*recorded.kernel_splits, " splits")
                                                             : std::string("splits were not recorded"))
                      << ", " << lives.totals.live_pages << " pages in use at the end.\n";
      return;
    }
    const std::tuple<const char*, double, double> figures[] = {
        {"splits_2m", recorded.splits, fitted.splits},
        {"live_pages", recorded.live_at_end, fitted.live_at_end},
        {"mean_free_pages", recorded.mean_free, fitted.mean_free}};
    if (output == OutputFormat::kJson) {
      nlohmann::ordered_json document = nlohmann::ordered_json::array();
      for (const auto& [metric, of_recording, of_mix] : figures) {
        document.push_back({{"metric", metric}, {"recording", of_recording}, {"mix", of_mix}});
      }
      environment.out << document.dump(1) << "\n";
      return;
    }
    environment.out << "metric,recording,mix\r\n";
    for (const auto& [metric, of_recording, of_mix] : figures) {
      environment.out << absl::StrFormat("%s,%.3f,%.3f\r\n", metric, of_recording, of_mix);
    }
  }

  std::string file_;
  std::string output_;
  bool force_ = false;
  uint32_t windows_ = kDefaultFitWindows;
  bool check_ = false;
  uint32_t seeds_ = 3;
  WorkerOptions workers_;
};

}  // namespace

std::unique_ptr<Command> NewFitCommand() { return std::make_unique<FitCommand>(); }

}  // namespace dmfrag::client
