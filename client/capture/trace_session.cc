#include "client/capture/trace_session.h"

#include <event-parse.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/capture/cpu_merge.h"
#include "client/capture/probes.h"
#include "third_party/abseil_extras/status_macros.h"

// libtracefs 1.6 does not say itself that it is C. What it includes stands above.
extern "C" {
#include <tracefs.h>
}

namespace dmfrag::client {
namespace {

constexpr std::string_view kInstancePrefix = "dmfrag-";
// Groups of dynamic events are named as identifiers are.
constexpr std::string_view kProbePrefix = "dmfrag_";
constexpr absl::Duration kRound = absl::Milliseconds(20);
// What is read of one CPU before the next has its turn.
constexpr size_t kMostBytesPerTurn = size_t{32} << 20;
constexpr unsigned kProbeTypes = TRACEFS_DYNEVENT_KPROBE | TRACEFS_DYNEVENT_KRETPROBE;

struct EventName {
  const char* system;
  const char* name;
};

// A text of libtracefs, which is to be freed.
struct Freer {
  void operator()(char* text) const { free(text); }
};
using OwnedText = std::unique_ptr<char, Freer>;

absl::Status KernelError(const std::string& doing) {
  const std::string text = absl::StrCat(doing, ": ", std::strerror(errno));
  if (errno == EACCES || errno == EPERM) return absl::PermissionDeniedError(text + "; run as root");
  return absl::UnavailableError(text);
}

// "dmfrag-123" of a process that is there no more. A process in another PID namespace counts as gone.
bool IsLeftover(std::string_view name, std::string_view prefix) {
  if (name.substr(0, prefix.size()) != prefix) return false;
  const std::string_view digits = name.substr(prefix.size());
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
  if (error != std::errc() || end != digits.data() + digits.size() || pid <= 0) return false;
  return kill(pid, 0) != 0 && errno == ESRCH;
}

int CollectLeftover(const char* name, void* context) {
  if (IsLeftover(name, kInstancePrefix)) static_cast<std::vector<std::string>*>(context)->emplace_back(name);
  return 0;
}

void RemoveLeftovers() {
  std::vector<std::string> names;
  tracefs_instances_walk(CollectLeftover, &names);
  for (const std::string& name : names) {
    tracefs_instance* instance = tracefs_instance_alloc(nullptr, name.c_str());
    if (instance == nullptr) continue;
    tracefs_instance_destroy(instance);
    tracefs_instance_free(instance);
  }
  tracefs_dynevent** probes = tracefs_dynevent_get_all(kProbeTypes, nullptr);
  if (probes == nullptr) return;
  for (tracefs_dynevent** probe = probes; *probe != nullptr; ++probe) {
    char* system = nullptr;
    tracefs_dynevent_info(*probe, &system, nullptr, nullptr, nullptr, nullptr);
    const OwnedText owned(system);
    if (system != nullptr && IsLeftover(system, kProbePrefix)) tracefs_dynevent_destroy(*probe, /*force=*/true);
  }
  tracefs_dynevent_list_free(probes);
}

absl::Status FindTracefs() {
  // Asked for once: the library allocates the path anew each time, and gives no way to free it.
  static const char* path = nullptr;
  if (path == nullptr && (tracefs_tracing_dir_is_mounted(/*mount=*/false, &path) <= 0 || path == nullptr)) {
    return absl::FailedPreconditionError(
        "tracefs is not mounted, so nothing was traced; as root, run: mount -t tracefs nodev /sys/kernel/tracing");
  }
  if (access(path, R_OK | W_OK | X_OK) != 0) return KernelError(absl::StrCat("using tracefs at ", path));
  // From here on the library does not look for it, nor mounts it.
  static const bool is_set = tracefs_set_tracing_dir(const_cast<char*>(path)) == 0;
  return is_set ? absl::OkStatus() : KernelError(absl::StrCat("using tracefs at ", path));
}

}  // namespace

// One CPU's buffer.
struct CpuBuffer {
  uint16_t cpu = 0;
  tracefs_cpu* file = nullptr;
  uint64_t latest_ns = 0;
};

struct TraceSession::State {
  tracefs_instance* instance = nullptr;
  std::vector<tracefs_dynevent*> probes;
  std::vector<CpuBuffer> cpus;
  std::unique_ptr<EventDecoder> decoder;
  std::vector<EventFormat> formats;
  std::vector<std::string> missing;
  CpuMerge merge;
  std::vector<std::byte> page;
  std::vector<TraceRecord> records;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  absl::Status Configure(const TraceOptions& options);
  absl::Status Enable(const EventName& event);
  absl::Status AddFormat(const EventName& event);
  void AddProbes(const KernelSymbols& symbols);
  absl::Status OpenCpus();
  // Whether everything there was has been read.
  absl::StatusOr<bool> DrainCpu(CpuBuffer& cpu);
  // Reads every CPU's buffer, and hands on what no older record can come before any more.
  absl::StatusOr<bool> Round(TraceWriter& writer);
  absl::Status DrainAll(TraceWriter& writer);
};

TraceSession::State::~State() {
  if (instance == nullptr) return;
  tracefs_trace_off(instance);
  for (const CpuBuffer& cpu : cpus) tracefs_cpu_close(cpu.file);
  tracefs_event_disable(instance, nullptr, nullptr);
  tracefs_instance_destroy(instance);
  tracefs_instance_free(instance);
  for (tracefs_dynevent* probe : probes) {
    tracefs_dynevent_destroy(probe, /*force=*/true);
    tracefs_dynevent_free(probe);
  }
}

absl::Status TraceSession::State::Configure(const TraceOptions& options) {
  if (tracefs_trace_off(instance) != 0) return KernelError("stopping the new tracing instance");
  // The same on every CPU: CLOCK_MONOTONIC by the TSC; else the clock that takes a lock.
  if (tracefs_instance_file_write(instance, "trace_clock", "mono") < 0 &&
      tracefs_instance_file_write(instance, "trace_clock", "global") < 0) {
    return KernelError("setting the trace's clock");
  }
  if (tracefs_instance_set_buffer_size(instance, options.buffer_kib, -1) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("the kernel gave no buffers of ", options.buffer_kib,
                                                     " KiB for each CPU (", std::strerror(errno),
                                                     "); use a smaller --buffer-kib"));
  }
  // Old records go when a buffer is full: then the kernel says how many, and where.
  if (tracefs_instance_file_write(instance, "options/overwrite", "1") < 0) return KernelError("setting overwrite");
  if (options.stacks && tracefs_instance_file_write(instance, "options/stacktrace", "1") < 0) {
    missing.push_back("Call stacks are not recorded: this kernel is built without CONFIG_STACKTRACE.");
  }
  return absl::OkStatus();
}

absl::Status TraceSession::State::AddFormat(const EventName& event) {
  int size = 0;
  const OwnedText text(tracefs_event_file_read(nullptr, event.system, event.name, "format", &size));
  if (text == nullptr) return KernelError(absl::StrCat("reading the format of ", event.system, ":", event.name));
  formats.push_back({event.system, std::string(text.get(), static_cast<size_t>(size))});
  return absl::OkStatus();
}

absl::Status TraceSession::State::Enable(const EventName& event) {
  RETURN_IF_ERROR(AddFormat(event));
  if (tracefs_event_enable(instance, event.system, event.name) != 0) {
    return KernelError(absl::StrCat("enabling ", event.system, ":", event.name));
  }
  return absl::OkStatus();
}

void TraceSession::State::AddProbes(const KernelSymbols& symbols) {
  if (!tracefs_file_exists(nullptr, "kprobe_events")) {
    missing.push_back(
        "Changes of permissions, bulk allocations and compaction are not recorded: this kernel is built without "
        "CONFIG_KPROBE_EVENTS.");
    return;
  }
  ProbePlan plan = PlanProbes(symbols);
  missing.insert(missing.end(), plan.missing.begin(), plan.missing.end());
  const std::string group = absl::StrCat(std::string(kProbePrefix), getpid());
  for (const Probe& probe : plan.probes) {
    tracefs_dynevent* event =
        probe.at_return
            ? tracefs_kretprobe_alloc(group.c_str(), probe.event.c_str(), probe.function.c_str(), probe.fields.c_str(),
                                      /*max=*/10)
            : tracefs_kprobe_alloc(group.c_str(), probe.event.c_str(), probe.function.c_str(), probe.fields.c_str());
    if (event == nullptr) continue;
    absl::Status status;
    if (tracefs_dynevent_create(event) != 0) {
      status = KernelError("making it");
      tracefs_dynevent_free(event);
    } else {
      probes.push_back(event);
      status = Enable({group.c_str(), probe.event.c_str()});
    }
    if (!status.ok()) {
      missing.push_back(absl::StrCat("Calls of ", probe.function, " are not recorded: the kernel refused the probe (",
                                     status.message(), ")."));
    }
  }
}

absl::Status TraceSession::State::OpenCpus() {
  const long configured = sysconf(_SC_NPROCESSORS_CONF);
  for (long cpu = 0; cpu < configured && cpu <= std::numeric_limits<uint16_t>::max(); ++cpu) {
    if (!tracefs_dir_exists(instance, absl::StrCat("per_cpu/cpu", cpu).c_str())) continue;
    tracefs_cpu* file = tracefs_cpu_open(instance, static_cast<int>(cpu), /*nonblock=*/true);
    if (file == nullptr) return KernelError(absl::StrCat("opening the trace buffer of CPU ", cpu));
    cpus.push_back({.cpu = static_cast<uint16_t>(cpu), .file = file});
    page.resize(std::max(page.size(), static_cast<size_t>(tracefs_cpu_read_size(file))));
  }
  if (cpus.empty()) return absl::UnavailableError("tracefs shows no CPU's buffer");
  return absl::OkStatus();
}

absl::StatusOr<bool> TraceSession::State::DrainCpu(CpuBuffer& cpu) {
  for (size_t bytes = 0; bytes < kMostBytesPerTurn; bytes += page.size()) {
    const int got = tracefs_cpu_read(cpu.file, page.data(), /*nonblock=*/true);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN) return KernelError(absl::StrCat("reading the trace buffer of CPU ", cpu.cpu));
    if (got <= 0) return true;
    records.clear();
    RETURN_IF_ERROR(decoder->DecodePage(cpu.cpu, std::span(page.data(), static_cast<size_t>(got)), records));
    for (TraceRecord& record : records) {
      cpu.latest_ns = std::max(cpu.latest_ns, record.time_ns);
      merge.Push(std::move(record));
    }
  }
  return false;
}

absl::StatusOr<bool> TraceSession::State::Round(TraceWriter& writer) {
  // What was recorded up to here is in the buffers by now, on whichever CPU.
  uint64_t until = merge.latest_ns();
  bool all = true;
  for (CpuBuffer& cpu : cpus) {
    ASSIGN_OR_RETURN(const bool drained, DrainCpu(cpu));
    if (!drained) until = std::min(until, cpu.latest_ns);
    all = all && drained;
  }
  RETURN_IF_ERROR(merge.EmitUntil(until, [&](const TraceRecord& record) { return writer.Add(record); }));
  return all;
}

absl::Status TraceSession::State::DrainAll(TraceWriter& writer) {
  for (;;) {
    ASSIGN_OR_RETURN(const bool all, Round(writer));
    if (all) break;
  }
  return merge.EmitUntil(std::numeric_limits<uint64_t>::max(),
                         [&](const TraceRecord& record) { return writer.Add(record); });
}

TraceSession::TraceSession(std::unique_ptr<State> state) : state_(std::move(state)) {}
TraceSession::~TraceSession() = default;

EventDecoder& TraceSession::decoder() { return *state_->decoder; }
const std::vector<std::string>& TraceSession::missing() const { return state_->missing; }

absl::StatusOr<std::unique_ptr<TraceSession>> TraceSession::Create(const TraceOptions& options,
                                                                   const KernelSymbols& symbols) {
  RETURN_IF_ERROR(FindTracefs());
  RemoveLeftovers();
  auto state = std::make_unique<State>();
  state->instance = tracefs_instance_create(absl::StrCat(std::string(kInstancePrefix), getpid()).c_str());
  if (state->instance == nullptr) return KernelError("making a tracing instance");
  RETURN_IF_ERROR(state->Configure(options));
  RETURN_IF_ERROR(state->Enable({"kmem", "mm_page_alloc"}));
  RETURN_IF_ERROR(state->Enable({"kmem", "mm_page_free"}));
  if (options.drains) RETURN_IF_ERROR(state->Enable({"kmem", "mm_page_pcpu_drain"}));
  if (options.stacks) RETURN_IF_ERROR(state->AddFormat({"ftrace", "kernel_stack"}));
  state->AddProbes(symbols);
  for (const EventName& event : {EventName{"sched", "sched_process_fork"}, EventName{"task", "task_rename"}}) {
    if (!options.privacy && !state->Enable(event).ok()) {
      state->missing.push_back(
          absl::StrCat("Names of tasks that began while it was recorded are missing: the kernel "
                       "has no event ",
                       event.system, ":", event.name, "."));
    }
  }
  ASSIGN_OR_RETURN(state->decoder, EventDecoder::Create(state->formats));
  RETURN_IF_ERROR(state->OpenCpus());
  return std::unique_ptr<TraceSession>(new TraceSession(std::move(state)));
}

absl::Status TraceSession::Record(absl::Duration length, const Interrupt& interrupt, TraceWriter& writer) {
  const absl::Time end = absl::Now() + length;
  if (tracefs_trace_on(state_->instance) != 0) return KernelError("starting the trace");
  for (absl::Time now = absl::Now(); now < end; now = absl::Now()) {
    if (interrupt.AwaitFor(std::min(kRound, end - now))) break;
    RETURN_IF_ERROR(state_->Round(writer).status());
  }
  if (tracefs_trace_off(state_->instance) != 0) return KernelError("stopping the trace");
  return state_->DrainAll(writer);
}

int64_t TraceSession::DroppedByKernel() const {
  int64_t dropped = 0;
  for (const CpuBuffer& cpu : state_->cpus) {
    const OwnedText stats(
        tracefs_instance_file_read(state_->instance, absl::StrCat("per_cpu/cpu", cpu.cpu, "/stats").c_str(), nullptr));
    if (stats == nullptr) return -1;
    const std::string_view text = stats.get();
    for (const std::string_view key : {"\noverrun: ", "\ndropped events: "}) {
      const size_t at = text.find(key);
      if (at == std::string_view::npos) return -1;
      const std::string_view digits = text.substr(at + key.size());
      int64_t count = 0;
      std::from_chars(digits.data(), digits.data() + digits.size(), count);
      dropped += count;
    }
  }
  return dropped;
}

}  // namespace dmfrag::client
