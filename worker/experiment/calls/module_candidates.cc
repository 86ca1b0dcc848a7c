#include "worker/experiment/calls/module_candidates.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>
#include <variant>

#include "worker/experiment/calls/recorded_calls.h"
#include "worker/workload/calls/alias_calls.h"
#include "worker/workload/calls/set_memory.h"

namespace dmfrag::experiment {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::KernelRelease;
using workload::AttributeChange;
using workload::DirectMapCall;
using workload::ModuleMemory;
using workload::SetMemoryFunction;
using Calls = std::span<const DirectMapCall>;
using Frames = std::vector<FrameNumber>;

// Made-up addresses: each kind of memory begins at a multiple of this many pages.
constexpr uint64_t kPagesApart = uint64_t{1} << 30;

// What the direct map is asked when `function` was called on other addresses.
DirectMapCall AliasOf(SetMemoryFunction function, FrameNumber frame, KernelRelease release) {
  const AttributeChange change = workload::AttributeChangesOf(function, release).front();
  const std::vector<DirectMapCall> calls = workload::AliasCallsOf4K(change, std::span(&frame, 1), release);
  return calls.empty() ? DirectMapCall() : calls.front();
}

// Frames of the calls from the first on that are the alias of `function` on single pages.
Frames RunOf(Calls calls, SetMemoryFunction function, KernelRelease release) {
  Frames frames;
  const DirectMapCall pattern = AliasOf(function, FrameNumber(0), release);
  for (const DirectMapCall& call : calls) {
    DirectMapCall expected = pattern;
    expected.request.range = {call.request.range.first, call.request.range.first + model::kFramesPer4K};
    if (!IsRecordOf(call, expected)) break;
    frames.push_back(call.request.range.first);
  }
  return frames;
}

bool StartsWith(std::span<const FrameNumber> frames, std::span<const FrameNumber> start) {
  return frames.size() >= start.size() && std::equal(start.begin(), start.end(), frames.begin());
}

Frames Part(const Frames& frames, size_t first, size_t count) {
  const auto begin = frames.begin() + static_cast<ptrdiff_t>(first);
  return Frames(begin, begin + static_cast<ptrdiff_t>(count));
}

Frames Rest(const Frames& frames, size_t first) { return Part(frames, first, frames.size() - first); }

size_t IndexOf(const Frames& frames, FrameNumber frame) {
  return static_cast<size_t>(std::find(frames.begin(), frames.end(), frame) - frames.begin());
}

// For each frame of `run`, where it is met next; run.size() if nowhere.
std::vector<size_t> NextMeetings(const Frames& run) {
  std::vector<size_t> next(run.size(), run.size());
  std::unordered_map<uint64_t, size_t> met;
  for (size_t i = run.size(); i-- > 0;) {
    const auto [later, first] = met.try_emplace(run[i].raw(), i);
    if (!first) next[i] = std::exchange(later->second, i);
  }
  return next;
}

// 6.1: text, rodata and init text are made read-only twice, all in one go each time.
class DoubledRuns {
 public:
  explicit DoubledRuns(const Frames& run) : run_(run), next_(NextMeetings(run)) {}

  // How long the go is that begins at `first` and is repeated right after; 0 if none.
  size_t LengthAt(size_t first) const {
    if (first == run_.size() || next_[first] == run_.size()) return 0;
    const size_t length = next_[first] - first;
    const std::span<const FrameNumber> run(run_);
    return StartsWith(run.subspan(next_[first]), run.subspan(first, length)) ? length : 0;
  }
  // From `first` on, up to where a go begins.
  Frames UpToNext(size_t first) const {
    size_t end = first;
    while (end < run_.size() && LengthAt(end) == 0) ++end;
    return Part(run_, first, end - first);
  }

 private:
  const Frames& run_;
  const std::vector<size_t> next_;
};

std::vector<ModuleFrames> CandidatesOf61(Calls calls) {
  const Frames run = RunOf(calls, SetMemoryFunction::kRo, KernelRelease::k6_1);
  if (run.empty()) return {};
  const DoubledRuns doubled(run);
  const size_t length = doubled.LengthAt(0);
  ModuleFrames module;
  module.init_fails = length == 0;
  module[ModuleMemory::kText] = module.init_fails ? doubled.UpToNext(0) : Part(run, 0, length);
  if (!module.init_fails) module[ModuleMemory::kRoAfterInit] = doubled.UpToNext(2 * length);
  return {std::move(module)};
}

// Memory that the calls of a load show to be written to: made NX and RW page by page, both on the same pages.
std::optional<Frames> WritablePart(Calls calls, KernelRelease release) {
  Frames frames = RunOf(calls, SetMemoryFunction::kNx, release);
  if (frames.empty()) return std::nullopt;
  const Frames again = RunOf(calls.subspan(frames.size()), SetMemoryFunction::kRw, release);
  if (!StartsWith(again, frames)) return std::nullopt;
  return frames;
}

// All parts at the start of `calls`; drops their calls.
std::vector<Frames> TakeWritableParts(Calls& calls, KernelRelease release) {
  std::vector<Frames> parts;
  for (auto part = WritablePart(calls, release); part.has_value(); part = WritablePart(calls, release)) {
    calls = calls.subspan(2 * part->size());
    parts.push_back(*std::move(part));
  }
  return parts;
}

// 6.17 and later: every kind of memory is a writable part, in the order of kinds; which kinds there are, what follows
// must tell.
std::vector<ModuleFrames> CandidatesOf618(Calls calls, KernelRelease release) {
  const std::vector<Frames> parts = TakeWritableParts(calls, release);
  std::vector<ModuleFrames> candidates;
  if (parts.empty() || parts.size() > workload::kModuleMemories) return candidates;
  for (unsigned kinds = 1; kinds < 1U << workload::kModuleMemories; ++kinds) {
    if (static_cast<size_t>(__builtin_popcount(kinds)) != parts.size()) continue;
    ModuleFrames module;
    size_t part = 0;
    for (size_t kind = 0; kind < workload::kModuleMemories; ++kind) {
      if (kinds >> kind & 1) module.memory[kind] = parts[part++];
    }
    candidates.push_back(std::move(module));
  }
  return candidates;
}

// Pages of data made NX. Without text, what follows may be the first writable part of the next module.
Frames NxRun(Calls calls, KernelRelease release) {
  Frames nx = RunOf(calls, SetMemoryFunction::kNx, release);
  const Frames rw = RunOf(calls.subspan(nx.size()), SetMemoryFunction::kRw, release);
  if (!rw.empty()) nx.resize(IndexOf(nx, rw.front()));
  return nx;
}

// 6.12 and 6.16, what complete_formation did before the text: `ro` pages of read-only data, its own first and then that
// of init; `nx` all data in the order of kinds. Puts read-only data in place and returns what is neither it nor data,
// if `own` pages are the module's own.
std::optional<Frames> PlaceData(const Frames& ro, const Frames& nx, size_t own, ModuleFrames& module) {
  module[ModuleMemory::kRodata] = Part(ro, 0, own);
  module[ModuleMemory::kInitRodata] = Rest(ro, own);
  const size_t data = own == 0 ? 0 : IndexOf(nx, ro.front());
  const Frames after = data + own > nx.size() ? Frames() : Rest(nx, data);
  const size_t init = ro.size() - own;
  if (after.size() < ro.size() || !StartsWith(after, module[ModuleMemory::kRodata])) return std::nullopt;
  if (!StartsWith(Rest(after, after.size() - init), module[ModuleMemory::kInitRodata])) return std::nullopt;
  module[ModuleMemory::kData] = Part(nx, 0, data);
  return Part(after, own, after.size() - own - init);
}

// The end of the text that begins `run`: where the read-only data is met again, or where the init function failed: what
// then follows is the read-only data of the next module, which is made NX as well.
size_t TextEnd(const Frames& run, const Frames& ro, const Frames& next_nx, ModuleFrames& module) {
  const size_t again = ro.empty() ? run.size() : IndexOf(run, ro.front());
  if (again < run.size()) return again;
  module.init_fails = !ro.empty();
  size_t end = run.size();
  while (end > 0 && IndexOf(next_nx, run[end - 1]) < next_nx.size()) --end;
  return end;
}

// Divides `others` (ro_after_init and init data; data too if the module has no read-only data) by what is made
// read-only after init: `run`.
void PlaceRoAfterInit(const Frames& others, const Frames& run, bool data_too, ModuleFrames& module) {
  const size_t first = run.empty() ? others.size() : IndexOf(others, run.front());
  const bool none = first == others.size() || (first > 0 && !data_too);
  size_t count = 0;
  while (!none && first + count < others.size() && count < run.size() && others[first + count] == run[count]) ++count;
  if (count == 0) {
    module[ModuleMemory::kInitData] = others;
    return;
  }
  if (data_too) module[ModuleMemory::kData] = Part(others, 0, first);
  module[ModuleMemory::kRoAfterInit] = Part(others, first, count);
  module[ModuleMemory::kInitData] = Rest(others, first + count);
}

std::vector<ModuleFrames> CandidatesOf612(Calls calls, KernelRelease release) {
  std::vector<Frames> texts;
  if (release >= KernelRelease::k6_16) texts = TakeWritableParts(calls, release);
  if (texts.size() > 2) return {};
  const Frames ro = RunOf(calls, SetMemoryFunction::kRo, release);
  calls = calls.subspan(ro.size());
  const Frames nx = NxRun(calls, release);
  calls = calls.subspan(nx.size());
  if (nx.empty()) return {};
  const Frames run = RunOf(calls, SetMemoryFunction::kRo, release);
  const Frames next_nx = RunOf(calls.subspan(run.size()), SetMemoryFunction::kNx, release);
  std::vector<ModuleFrames> candidates;
  for (size_t own = ro.size() + 1; own-- > 0;) {
    ModuleFrames module;
    const std::optional<Frames> others = PlaceData(ro, nx, own, module);
    if (!others.has_value()) continue;
    size_t end = 0;
    if (release < KernelRelease::k6_16) {
      end = TextEnd(run, ro, next_nx, module);
      module[ModuleMemory::kText] = Part(run, 0, end);
      if (!module.init_fails) end = std::min(run.size(), end + ro.size());
    } else {
      if (!texts.empty()) module[ModuleMemory::kText] = texts.front();
      if (texts.size() > 1) module[ModuleMemory::kInitText] = texts.back();
      for (const Frames& text : texts) end = std::min(run.size(), end + text.size());
    }
    PlaceRoAfterInit(*others, module.init_fails ? Frames() : Rest(run, end), ro.empty(), module);
    candidates.push_back(std::move(module));
  }
  return candidates;
}

}  // namespace

std::vector<DirectMapCall> ModuleLoadAliasCalls(const ModuleFrames& module, KernelRelease release) {
  workload::ModuleLayout layout;
  for (size_t kind = 0; kind < workload::kModuleMemories; ++kind) {
    const model::VirtualPage first((kind + 1) * kPagesApart);
    layout.memory[kind] = {first, first + FrameCount(module.memory[kind].size())};
  }
  workload::UserCalls requests = workload::ModuleAllocate(layout, release);
  workload::Append(workload::ModuleProtect(layout, release), requests);
  if (!module.init_fails) workload::Append(workload::ModuleProtectAfterInit(layout, release), requests);
  std::vector<DirectMapCall> calls;
  for (const workload::UserCall& call : requests) {
    const auto& request = std::get<model::VirtualAttributeRequest>(call);
    const Frames& frames = module.memory[request.range.first.raw() / kPagesApart - 1];
    const AttributeChange change{.set = request.set, .clear = request.clear};
    const std::vector<DirectMapCall> aliases = workload::AliasCallsOf4K(change, frames, release);
    calls.insert(calls.end(), aliases.begin(), aliases.end());
  }
  return calls;
}

std::vector<ModuleFrames> ModuleCandidates(Calls calls, KernelRelease release) {
  if (release < KernelRelease::k6_12) return CandidatesOf61(calls);
  if (release < KernelRelease::k6_18) return CandidatesOf612(calls, release);
  return CandidatesOf618(calls, release);
}

}  // namespace dmfrag::experiment
