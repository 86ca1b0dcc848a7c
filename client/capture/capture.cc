#include "client/capture/capture.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/capture/free_pages.h"
#include "client/capture/kernel_symbols.h"
#include "client/capture/machine_snapshot.h"
#include "client/capture/trace_writer.h"
#include "client/files/new_file.h"
#include "proto/recording/writer.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

constexpr const char* kSource = "capture";

// Names of the tasks that are there already. Tasks that end meanwhile are passed over.
void NameRunningTasks(const SystemFiles& files, TraceWriter& writer) {
  writer.NameTask(0, "<idle>");
  std::error_code error;
  for (std::filesystem::directory_iterator process(files.At("/proc"), error), end; !error && process != end;
       process.increment(error)) {
    const std::string number = process->path().filename().string();
    if (number.find_first_not_of("0123456789") != std::string::npos) continue;
    std::error_code ended;
    for (std::filesystem::directory_iterator task(process->path() / "task", ended), last; !ended && task != last;
         task.increment(ended)) {
      const std::string pid = task->path().filename().string();
      absl::StatusOr<std::string> name = files.Read(absl::StrCat("/proc/", number, "/task/", pid, "/comm"));
      if (!name.ok()) continue;
      if (!name->empty() && name->back() == '\n') name->pop_back();
      writer.NameTask(std::atoi(pid.c_str()), *name);
    }
  }
}

std::vector<std::string> Limitations(bool traced) {
  std::vector<std::string> limitations = {
      "What per-CPU lists held and the order of free lists were not recorded: a start from this file is drawn by the "
      "job's seed, so its results are intervals."};
  if (!traced) return limitations;
  limitations.push_back(
      "Splits of the direct map are recorded as the kernel's counters before and after alone, not as events.");
  limitations.push_back("Allocations of dmfrag itself, while it recorded, are among the events.");
  return limitations;
}

// How far the events account for what the kernel counted.
void CompareWithCounters(const v1::MachineSnapshot& before, int64_t net_pages, v1::RecordingEnd& end) {
  const std::optional<int64_t> free_before = FreePages(before.zoneinfo());
  const std::optional<int64_t> free_after = FreePages(end.after().zoneinfo());
  if (!free_before.has_value() || !free_after.has_value()) return;
  const int64_t counted = *free_before - *free_after;
  if (counted == net_pages) return;
  end.add_limitations(absl::StrCat(
      "Pages in use changed by ", counted, " by the kernel's counters, and by ", net_pages,
      " by the recorded allocations and frees: bulk allocations log no frames, the counters lag behind by some hundred "
      "pages, and they were read a little before and after the trace."));
}

// The larger of what the pages said and what the kernel counted.
int64_t Lost(const TraceWriter& writer, int64_t dropped_by_kernel) {
  if (dropped_by_kernel < 0 && writer.some_unknown()) return -1;
  return std::max(writer.lost(), dropped_by_kernel);
}

}  // namespace

absl::StatusOr<CaptureReport> Capture(const CaptureOptions& options, const SystemFiles& files,
                                      const Interrupt& interrupt) {
  ASSIGN_OR_RETURN(const std::unique_ptr<NewFile> file, NewFile::Create(options.file, options.force));
  CaptureReport report;
  KernelSymbols symbols;
  std::unique_ptr<TraceSession> session;
  if (options.trace) {
    const absl::StatusOr<std::string> kallsyms = files.Read("/proc/kallsyms");
    if (kallsyms.ok()) symbols = KernelSymbols(*kallsyms);
    absl::StatusOr<std::unique_ptr<TraceSession>> made = TraceSession::Create(options.options, symbols);
    if (made.ok()) {
      session = *std::move(made);
      report.missing = session->missing();
      if (options.options.stacks && !symbols.has_addresses()) {
        report.missing.push_back(
            "Functions of call stacks are addresses: /proc/kallsyms hides which is which; set "
            "kernel.kptr_restrict to 0 or 1 and run as root.");
      }
    } else {
      report.missing.push_back(absl::StrCat("Events were not recorded: ", made.status().message(), "."));
    }
  }
  const SnapshotOptions snapshot{.privacy = options.options.privacy};
  v1::RecordingStart start;
  start.set_source(kSource);
  *start.mutable_before() = TakeMachineSnapshot(files, snapshot);
  ASSIGN_OR_RETURN(const std::unique_ptr<recording::Writer> recording,
                   recording::Writer::Create([&file](std::string_view bytes) { return file->Write(bytes); }, start));
  v1::RecordingEnd end;
  if (session != nullptr) {
    TraceWriter writer(recording.get(),
                       {.privacy = options.options.privacy,
                        .gfp_text = [&session](uint64_t gfp) { return session->decoder().GfpText(gfp); },
                        .symbols = &symbols});
    if (!options.options.privacy) NameRunningTasks(files, writer);
    if (options.on_trace) options.on_trace();
    const absl::Time began = absl::Now();
    RETURN_IF_ERROR(session->Record(options.length, interrupt, writer));
    report.length = absl::Now() - began;
    writer.CountSkipped(end);
    report.by_kind = writer.by_kind();
    end.set_lost_events(Lost(writer, session->DroppedByKernel()));
    *end.mutable_after() = TakeMachineSnapshot(files, snapshot);
    CompareWithCounters(start.before(), writer.net_pages(), end);
  } else {
    *end.mutable_after() = start.before();
  }
  options.rules->Classify(recording->origins(), end);
  for (std::string& sentence : Limitations(session != nullptr)) end.add_limitations(std::move(sentence));
  for (const std::string& sentence : report.missing) end.add_limitations(sentence);
  report.missing.insert(report.missing.end(), start.before().missing().begin(), start.before().missing().end());
  RETURN_IF_ERROR(recording->Finish(end));
  end.set_events(recording->events());
  end.set_duration_us(recording->duration_us());
  report.end = std::move(end);
  RETURN_IF_ERROR(file->Keep());
  report.file_bytes = file->bytes();
  return report;
}

}  // namespace dmfrag::client
