#include "client/recording/inspect.h"

#include <algorithm>
#include <map>
#include <memory>
#include <span>
#include <tuple>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "proto/recording/reader.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

using recording::Event;
using recording::Reader;
using recording::Request;
using recording::RequestStream;

constexpr std::array<std::string_view, Event::kKinds> kKindNames = {
    "allocations", "frees",       "bulk_allocations",  "compaction_takes", "compaction_backs", "per_cpu_drains",
    "set_invalid", "set_default", "attribute_changes", "splits",           "collapses",        "marks",
    "losses"};
constexpr const char* kMeminfoCounters[] = {"DirectMap4k", "DirectMap2M", "DirectMap1G"};
// Of x86 since 5.13; collapses since 6.16.
constexpr const char* kVmstatCounters[] = {"direct_map_level2_splits", "direct_map_level3_splits",
                                           "direct_map_level2_collapses", "direct_map_level3_collapses"};

// The number behind `name` in a line of its own, with or without a colon.
std::optional<int64_t> CounterOf(const std::string& text, const std::string& name) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t:"), absl::SkipEmpty());
    int64_t value = 0;
    if (words.size() >= 2 && words[0] == name && absl::SimpleAtoi(words[1], &value)) return value;
  }
  return std::nullopt;
}

// Free blocks by order, of all lines "Node 0, zone DMA32 1 3 1 ..." (mm/vmstat.c frag_show_print).
std::vector<int64_t> FreeBlocks(const std::string& buddyinfo) {
  constexpr size_t kWordsBefore = 4;
  std::vector<int64_t> by_order;
  for (const absl::string_view line : absl::StrSplit(buddyinfo, '\n')) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.size() <= kWordsBefore || words[0] != "Node") continue;
    by_order.resize(std::max(by_order.size(), words.size() - kWordsBefore));
    for (size_t i = kWordsBefore; i < words.size(); ++i) {
      int64_t blocks = 0;
      if (absl::SimpleAtoi(words[i], &blocks)) by_order[i - kWordsBefore] += blocks;
    }
  }
  return by_order;
}

InspectedMachine MachineOf(const v1::MachineSnapshot& before, const v1::MachineSnapshot& after) {
  // What holds at any moment may be in either.
  const v1::MachineSnapshot& any = before.kernel_release().empty() && before.cpus() == 0 ? after : before;
  InspectedMachine machine;
  machine.kernel_release = any.kernel_release();
  machine.cpu_model = any.cpu_model();
  machine.cpus = any.cpus();
  for (const v1::MemoryRange& range : any.usable()) {
    machine.memory_bytes += static_cast<int64_t>(range.end_bytes() - range.start_bytes());
  }
  const auto add = [&](const char* name, const std::string& text_before, const std::string& text_after) {
    InspectedCounter counter{name, CounterOf(text_before, name), CounterOf(text_after, name)};
    if (counter.before.has_value() || counter.after.has_value()) machine.counters.push_back(std::move(counter));
  };
  for (const char* name : kMeminfoCounters) add(name, before.meminfo(), after.meminfo());
  for (const char* name : kVmstatCounters) add(name, before.vmstat(), after.vmstat());
  machine.free_blocks_before = FreeBlocks(before.buddyinfo());
  machine.free_blocks_after = FreeBlocks(after.buddyinfo());
  return machine;
}

void AddMissing(std::string_view when, const v1::MachineSnapshot& snapshot, std::vector<std::string>& missing) {
  for (const std::string& sentence : snapshot.missing()) {
    missing.push_back(absl::StrCat("of the machine ", std::string(when), ": ", sentence));
  }
}

// Of what neither recorder says itself.
void AddMissing(const Reader& reader, Inspection& inspection) {
  std::vector<std::string>& missing = inspection.missing;
  if (!reader.start().has_before()) {
    missing.push_back(
        "The machine before the first event; record with dmfrag capture, or give dmfrag import its run with --start.");
  }
  if (!reader.end().has_after() && inspection.cut_off.empty()) {
    missing.push_back(
        "The machine behind the last event; record with dmfrag capture, or give dmfrag import its run with --start.");
  }
  AddMissing("before", reader.start().before(), missing);
  AddMissing("behind", reader.end().after(), missing);
  if (inspection.events == 0) {
    missing.push_back("Events: there is none; record with dmfrag capture without --no-trace.");
    return;
  }
  const auto& origins = reader.tables().origins();
  if (std::all_of(origins.begin(), origins.end(), [](const auto& origin) { return origin.stack().empty(); })) {
    missing.push_back(
        "Call stacks, by which user rules tell more users apart; record with dmfrag capture --stacks, trace-cmd record "
        "-T or perf record -g.");
  }
  if (inspection.lost_events != 0) {
    missing.push_back(
        "Events that were lost; record with a larger buffer: dmfrag capture --buffer-kib, trace-cmd record -b, perf "
        "record -m.");
  }
}

// Pages and blocks by user and origin, as the requests come.
class UserCount {
 public:
  explicit UserCount(const Reader& reader) {
    for (const v1::RecordingUser& user : reader.end().users()) {
      users_.push_back({.name = user.name(), .kind = user.kind()});
    }
    std::map<std::pair<std::string, std::string>, size_t> numbers;
    for (const v1::RecordingOrigin& origin : reader.tables().origins()) {
      const auto [number, is_new] = numbers.try_emplace({origin.comm(), origin.gfp_flags()}, origins_.size());
      if (is_new) origins_.push_back({.comm = origin.comm(), .gfp_flags = origin.gfp_flags()});
      origin_numbers_.push_back(number->second);
    }
  }

  void AddHeld(const Request& block) {
    InspectedUser& user = users_[block.user];
    ++user.held_blocks;
    user.held_pages += int64_t{1} << block.order;
  }

  // `held`: number of blocks held before, which have the first numbers.
  void Add(const Request& request, size_t held) {
    InspectedUser& user = users_[request.user];
    const int64_t pages = int64_t{1} << request.order;
    if (request.kind == Request::Kind::kFree) {
      if (request.block >= held) user.live_pages -= pages;
      return;
    }
    ++user.blocks;
    user.pages += pages;
    user.live_pages += pages;
    Count& count = counts_[{request.user, origin_numbers_[request.origin]}];
    ++count.blocks;
    count.pages += pages;
  }

  // Users, with their largest origins. REQUIRES: called once.
  std::vector<InspectedUser> Finish() {
    for (const auto& [key, count] : counts_) {
      InspectedOrigin origin = origins_[key.second];
      origin.blocks = count.blocks;
      origin.pages = count.pages;
      users_[key.first].origins.push_back(std::move(origin));
    }
    for (InspectedUser& user : users_) {
      std::stable_sort(user.origins.begin(), user.origins.end(), [](const auto& a, const auto& b) {
        return std::tuple(b.pages, b.blocks) < std::tuple(a.pages, a.blocks);
      });
      user.origins.resize(std::min(user.origins.size(), kInspectedOrigins));
    }
    return std::move(users_);
  }

 private:
  struct Count {
    int64_t blocks = 0;
    int64_t pages = 0;
  };

  std::vector<InspectedUser> users_;
  std::vector<InspectedOrigin> origins_;                 // each task with each of its flags once, in order of the file
  std::vector<size_t> origin_numbers_;                   // in origins_, by number in the file
  std::map<std::pair<uint32_t, size_t>, Count> counts_;  // by user and number in origins_
};

absl::Status CountEvents(Reader& reader, Inspection& inspection) {
  reader.Rewind();
  for (;;) {
    ASSIGN_OR_RETURN(const std::span<const Event> block, reader.NextBlock());
    if (block.empty()) return absl::OkStatus();
    for (const Event& event : block) ++inspection.by_kind[static_cast<size_t>(event.kind)];
  }
}

absl::Status CountRequests(Reader& reader, Inspection& inspection) {
  UserCount users(reader);
  ASSIGN_OR_RETURN(const std::unique_ptr<RequestStream> requests, RequestStream::Create(&reader));
  const size_t held = requests->held_before().size();
  for (const Request& block : requests->held_before()) users.AddHeld(block);
  for (;;) {
    ASSIGN_OR_RETURN(const std::optional<Request> request, requests->Next());
    if (!request.has_value()) break;
    users.Add(*request, held);
  }
  inspection.users = users.Finish();
  inspection.totals = requests->totals();
  return absl::OkStatus();
}

absl::Status Inspect(Reader& reader, Inspection& inspection) {
  const v1::RecordingEnd& end = reader.end();
  inspection.source = reader.start().source();
  inspection.machine = MachineOf(reader.start().before(), end.after());
  inspection.duration_us = end.duration_us();
  inspection.events = end.events();
  inspection.lost_events = end.lost_events();
  for (const v1::RecordingCount& one : end.skipped()) inspection.skipped.emplace_back(one.what(), one.count());
  inspection.limitations.assign(end.limitations().begin(), end.limitations().end());
  RETURN_IF_ERROR(CountEvents(reader, inspection));
  RETURN_IF_ERROR(CountRequests(reader, inspection));
  AddMissing(reader, inspection);
  return absl::OkStatus();
}

}  // namespace

std::string_view EventKindName(Event::Kind kind) { return kKindNames[static_cast<size_t>(kind)]; }

absl::StatusOr<Inspection> InspectRecording(std::string_view bytes) {
  Inspection inspection;
  absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(bytes);
  std::string repaired;
  if (!reader.ok()) {
    const absl::Status failure = reader.status();
    absl::StatusOr<std::string> whole = recording::Repair(bytes);
    if (!whole.ok()) return failure;
    repaired = *std::move(whole);
    reader = Reader::Open(repaired);
    // It had an end: it is damaged, not cut off.
    if (!reader.ok()) return failure;
    inspection.cut_off = std::string(failure.message());
  }
  RETURN_IF_ERROR(Inspect(**reader, inspection));
  return inspection;
}

Inspection InspectRun(const RunSnapshots& run) {
  Inspection inspection;
  inspection.source = "run";
  inspection.is_recording = false;
  inspection.steps = run.steps;
  inspection.machine = MachineOf(run.before, run.after);
  AddMissing("before", run.before, inspection.missing);
  AddMissing("behind", run.after, inspection.missing);
  return inspection;
}

}  // namespace dmfrag::client
