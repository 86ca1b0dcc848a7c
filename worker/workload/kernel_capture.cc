#include "worker/workload/kernel_capture.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/workload/boot_input.h"
#include "worker/workload/capture_interrupts.h"
#include "worker/workload/capture_json.h"
#include "worker/workload/capture_operations.h"
#include "worker/workload/capture_values.h"

namespace dmfrag::workload {
namespace {

using model::FrameNumber;
using model::MapLevel;
using Json = nlohmann::json;

constexpr std::string_view kFormat = "dmtruth-1";

// Frames of the secret areas that are mapped, by name.
using SecretAreas = std::map<std::string, std::vector<FrameNumber>>;

CpaCall SinglePage(CpaCall::Op op, FrameNumber frame) {
  CpaCall call;
  call.op = op;
  call.first = frame;
  return call;
}

absl::Status AddFaults(const Json& areas, const std::string& place, SecretAreas& secrets, std::vector<CpaCall>& calls) {
  for (const Json& area : areas) {
    std::vector<FrameNumber>& frames = secrets[area.at("name").get<std::string>()];
    for (const Json& pfn : area.at("list")) {
      if (pfn.is_null()) continue;  // not mapped any more when the capture looked
      ASSIGN_OR_RETURN(const FrameNumber frame, ParseFrame(pfn, place));
      frames.push_back(frame);
      calls.push_back(SinglePage(CpaCall::Op::kSetDirectMapInvalid, frame));
    }
  }
  return absl::OkStatus();
}

std::string FirstWord(const std::string& action) { return action.substr(0, action.find(' ')); }

bool TouchesSecretPages(const std::string& action) {
  return action.starts_with("secret") || action.starts_with("psecret");
}

// The area that "free NAME" frees; "" if the action is another.
std::string FreedArea(const std::string& action) {
  constexpr std::string_view kFree = "free ";
  return action.starts_with(kFree) ? action.substr(kFree.size()) : "";
}

bool HasDump(const Json& step) {
  const auto after = step.find("after");
  return after != step.end() && after->contains("direct_map");
}

// Actions that make the kernel change attributes of the direct map.
bool MayChangeAttributes(const std::string& action) {
  static const auto& words =
      *new std::set<std::string>{"cbpf",   "churn",   "dmabs",   "dmat",   "dmpage", "ebpf", "insall",
                                 "insmod", "insmod1", "insmoda", "pchurn", "rmall",  "rmmod"};
  return TouchesSecretPages(action) || words.contains(FirstWord(action));
}

// Whether calls are being recorded, step by step.
class Recording {
 public:
  Recording(bool kprobes, const Json& steps) : on_(kprobes) {
    for (const Json& step : steps) {
      if (FirstWord(step.at("action").get<std::string>()) == "traceon") on_ = false;  // it starts there
    }
    kprobes_ = kprobes;
  }
  bool on() const { return on_; }
  void Pass(const std::string& action) {
    if (FirstWord(action) == "traceon") on_ = kprobes_;
    if (FirstWord(action) == "traceoff") on_ = false;
  }

 private:
  bool kprobes_ = false;
  bool on_;
};

// What was recorded in a step or between two: its calls, and the splits and collapses that they made.
struct Record {
  std::vector<CpaCall> calls;
  int64_t requests = 0;  // those the calls stand for
  std::vector<MapEvent> events;
  std::vector<SplitTable> split_tables;
  bool has_events = false;
  bool several_cpus = false;
};

// Index of the call of a step after which something happened; -1: before any.
absl::StatusOr<int64_t> ParseCallIndex(const Json& json, const std::string& place) {
  const auto index = json.get<int64_t>();
  if (index < -1 || index > static_cast<int64_t>(kMaxCallsOfRow)) {
    return DamagedCapture(
        place, absl::StrCat("split or collapse after call ", index, "; expected -1 or the number of a call"));
  }
  return index;
}

absl::Status AddEvents(const Json& changes, const std::string& place, Record& record) {
  const auto splits = changes.find("splits");
  if (splits == changes.end()) return absl::OkStatus();
  record.has_events = true;
  const int64_t before = record.requests;
  for (const Json& row : *splits) {
    if (row.at(2).is_null()) continue;  // not in the direct map
    ASSIGN_OR_RETURN(const int64_t index, ParseCallIndex(row.at(0), place));
    MapEvent event{.request = before + index, .level = {}, .first = {}, .collapse = false};
    ASSIGN_OR_RETURN(event.level, ParseLevel(row.at(1).get<std::string>(), place));
    ASSIGN_OR_RETURN(const FrameNumber frame, ParseFrame(row.at(2), place));
    event.first = frame.AlignedDown(model::FramesOf(event.level));
    record.events.push_back(event);
    if (row.size() < 4 || row.at(3).is_null()) continue;
    ASSIGN_OR_RETURN(const FrameNumber table, ParseFrame(row.at(3), place));
    record.split_tables.push_back({event.level, event.first, table});
  }
  // [index, address, how many entries were put together, frame]: of 2M, then of the 1G entry around it.
  for (const Json& row : changes.value("collapses", Json::array())) {
    if (row.at(3).is_null()) continue;
    ASSIGN_OR_RETURN(const FrameNumber frame, ParseFrame(row.at(3), place));
    ASSIGN_OR_RETURN(const int64_t index, ParseCallIndex(row.at(0), place));
    MapEvent event{before + index, MapLevel::k2M, frame.AlignedDown(model::kFramesPer2M), true};
    record.events.push_back(event);
    if (row.at(2).get<int64_t>() < 2) continue;
    event.level = MapLevel::k1G;
    event.first = frame.AlignedDown(model::kFramesPer1G);
    record.events.push_back(event);
  }
  std::stable_sort(record.events.begin(), record.events.end(),
                   [](const MapEvent& a, const MapEvent& b) { return a.request < b.request; });
  return absl::OkStatus();
}

// Adds what `changes` (a step's "dm") holds to what was recorded before it.
absl::Status AddRecord(const Json& changes, const std::string& place, Record& record) {
  RETURN_IF_ERROR(AddEvents(changes, place, record));
  record.several_cpus = record.several_cpus || changes.contains("changes_per_cpu");
  for (const Json& row : changes.at("attr_changes")) {
    ASSIGN_OR_RETURN(const CpaCall call, ParseCall(row, place));
    record.requests += static_cast<int64_t>(call.count);
    record.calls.push_back(call);
  }
  return absl::OkStatus();
}

// What was logged between the end of step `index` and the beginning of the next (lazy frees, mostly).
absl::StatusOr<Record> RecordAfterStep(const Json& capture, int32_t index) {
  Record record;
  const Json outside = capture.value("trace", Json::object()).value("outside_steps", Json::object());
  const auto found = outside.find(absl::StrCat(-1 - index));
  if (found != outside.end()) RETURN_IF_ERROR(AddRecord(*found, absl::StrCat("after step ", index), record));
  return record;
}

// `record` holds what was recorded after the step before, and takes up what this one did.
absl::StatusOr<ReplayStep> ParseStep(const Json& json, SecretAreas& secrets, Record& record) {
  ReplayStep step;
  step.index = json.at("i").get<int32_t>();
  step.action = json.at("action").get<std::string>();
  const std::string place = absl::StrCat("step ", step.index);
  if (const auto dm = json.find("dm"); dm != json.end()) {
    step.source = RequestSource::kCpaCalls;
    RETURN_IF_ERROR(AddRecord(*dm, place, record));
  } else if (const auto pfns = json.find("pfns"); pfns != json.end() && TouchesSecretPages(step.action)) {
    step.source = RequestSource::kFrames;
    RETURN_IF_ERROR(AddFaults(*pfns, place, secrets, record.calls));
  } else if (const auto freed = secrets.extract(FreedArea(step.action)); !freed.empty()) {
    step.source = RequestSource::kFrames;
    for (const FrameNumber frame : freed.mapped()) {
      record.calls.push_back(SinglePage(CpaCall::Op::kSetDirectMapDefault, frame));
    }
  } else if (!record.calls.empty()) {
    step.source = RequestSource::kCpaCalls;
  }
  step.calls = std::move(record.calls);
  return step;
}

// What was measured after the step; nullopt if nothing was.
absl::StatusOr<std::optional<ReplayMeasured::Step>> ParseMeasured(const Json& json, const ReplayStep& step,
                                                                  bool flushes_counted, Record& record) {
  ReplayMeasured::Step measured;
  measured.index = step.index;
  measured.several_cpus = record.several_cpus;
  if (record.has_events) measured.events = std::move(record.events);
  measured.split_tables = std::move(record.split_tables);
  const auto after = json.find("after");
  if (after != json.end() && after->contains("meminfo_kB")) measured.counters = ParseCounters(*after);
  if (HasDump(json)) {
    ASSIGN_OR_RETURN(measured.direct_map,
                     ParseDirectMap(after->at("direct_map"), absl::StrCat("dump of step ", step.index)));
  }
  ASSIGN_OR_RETURN(measured.interrupts, ParseInterrupts(json, flushes_counted));
  if (!measured.counters.has_value() && !measured.direct_map.has_value() && !measured.events.has_value() &&
      !measured.interrupts.has_value()) {
    return std::nullopt;
  }
  return measured;
}

absl::StatusOr<model::MemoryMap> ParseMemory(const Json& capture) {
  std::vector<model::ByteRange> ranges;
  for (const Json& range : capture.at("e820_usable_pfn")) {
    ASSIGN_OR_RETURN(const FrameNumber first, ParseFrame(range.at(0), "e820_usable_pfn"));
    ASSIGN_OR_RETURN(const FrameNumber end, ParseFrame(range.at(1), "e820_usable_pfn"));
    ranges.push_back({first.raw() * model::kFrameBytes, end.raw() * model::kFrameBytes});
  }
  absl::StatusOr<model::MemoryMap> memory = model::MemoryMap::FromUsableRanges(ranges);
  if (!memory.ok()) return DamagedCapture("e820_usable_pfn", std::string(memory.status().message()));
  return memory;
}

std::string NoDumpLimitation(bool boot_known) {
  return absl::StrCat("the capture has no dump of the direct map: the start is ",
                      boot_known ? "the map predicted for boot, where the place of the first BPF pack is an estimate,"
                                 : "the boot rule on its e820 map, so that blocks the kernel split during boot count "
                                   "as whole,",
                      " and the counters at boot");
}

std::string UnrecordedLimitation(const ReplayStep& step) {
  return absl::StrCat("step ", step.index, " (", step.action,
                      ") may have changed attributes, and its calls were not recorded: predictions leave them out");
}

absl::Status ParseSteps(const Json& capture, KernelCapture& result) {
  const Json& steps = capture.at("steps");
  Recording recording(capture.at("config").value("kprobes", false), steps);
  const auto start = std::find_if(steps.begin(), steps.end(), HasDump);
  ReplayInput& input = result.input;
  if (start == steps.end()) {
    input.limitation = NoDumpLimitation(input.boot.has_value());
    input.start_counters = ParseCounters(capture.at("boot"));
  } else {
    input.start_step = start->at("i").get<int32_t>();
    input.start_counters = ParseCounters(start->at("after"));
    ASSIGN_OR_RETURN(input.start_runs, ParseDirectMap(start->at("after").at("direct_map"), "the first dump"));
  }
  const bool flushes_counted = CountsFlushCalls(capture);
  bool started = start == steps.end();
  SecretAreas secrets;
  Record record;  // since the step before
  for (auto json = steps.begin(); json != steps.end(); ++json) {
    const std::string action = json->at("action").get<std::string>();
    recording.Pass(action);
    if (!started) {
      started = json == start;
      if (started) {
        ASSIGN_OR_RETURN(record, RecordAfterStep(capture, json->at("i").get<int32_t>()));
      }
      continue;
    }
    ASSIGN_OR_RETURN(ReplayStep step, ParseStep(*json, secrets, record));
    if (input.limitation.empty() && step.source == RequestSource::kNone && !recording.on() &&
        MayChangeAttributes(action)) {
      input.limitation = UnrecordedLimitation(step);
    }
    ASSIGN_OR_RETURN(std::optional<ReplayMeasured::Step> measured, ParseMeasured(*json, step, flushes_counted, record));
    if (measured.has_value()) result.measured.steps.push_back(*std::move(measured));
    ASSIGN_OR_RETURN(record, RecordAfterStep(capture, step.index));
    input.steps.push_back(std::move(step));
  }
  return absl::OkStatus();
}

// Of a package like "6.12.117+deb12-amd64".
absl::StatusOr<model::KernelRelease> ParseRelease(std::string_view package) {
  using Release = model::KernelRelease;
  static constexpr std::array<std::pair<std::array<int, 2>, Release>, 4> kLater = {
      {{{6, 12}, Release::k6_12}, {{6, 16}, Release::k6_16}, {{6, 18}, Release::k6_18}, {{7, 3}, Release::k7_3}}};
  std::array<int, 2> version = {};
  const char* const end = package.data() + package.size();
  const auto [dot, major_error] = std::from_chars(package.data(), end, version[0]);
  if (major_error != std::errc() || dot == end || *dot != '.' ||
      std::from_chars(dot + 1, end, version[1]).ec != std::errc()) {
    return DamagedCapture("kernel.pkg",
                          absl::StrCat("\"", std::string(package), "\" does not begin with a version like 6.12"));
  }
  Release release = Release::k6_1;
  for (const auto& [first, known] : kLater) {
    if (version >= first) release = known;
  }
  return release;
}

absl::StatusOr<KernelCapture> ParseCapture(const Json& capture) {
  const std::string format = capture.is_object() ? capture.value("format", "") : "";
  if (format != kFormat) {
    return DamagedCapture("format", absl::StrCat("\"", format, "\" is not known; expected ", std::string(kFormat)));
  }
  ASSIGN_OR_RETURN(model::MemoryMap memory, ParseMemory(capture));
  KernelCapture result{.input = {.capture_id = capture.at("id").get<std::string>(),
                                 .kernel = capture.at("kernel").at("pkg").get<std::string>(),
                                 .release = {},
                                 .cpus = 1,
                                 .memory = std::move(memory),
                                 .mapping = ParseMappingRules(capture),
                                 .start_step = {},
                                 .start_runs = {},
                                 .start_counters = {},
                                 .steps = {},
                                 .limitation = {}},
                       .measured = {}};
  ASSIGN_OR_RETURN(result.input.release, ParseRelease(result.input.kernel));
  ASSIGN_OR_RETURN(result.input.cpus, ParseCpus(capture));
  ASSIGN_OR_RETURN(result.input.boot,
                   ParseBootMachine(capture, result.input.memory, result.input.release, result.input.cpus));
  if (const auto boot = capture.find("boot"); boot != capture.end() && HasCounters(*boot)) {
    result.measured.boot = ParseCounters(*boot);
  }
  RETURN_IF_ERROR(ParseSteps(capture, result));
  ASSIGN_OR_RETURN(result.input.operations, ParseOperations(capture));
  return result;
}

}  // namespace

absl::StatusOr<KernelCapture> ReadKernelCapture(std::string_view bytes) {
  return ParseCaptureFile(bytes, ParseCapture);
}

}  // namespace dmfrag::workload
