#include "worker/experiment/calls/alias_explainer.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <variant>

#include "worker/experiment/calls/module_candidates.h"
#include "worker/experiment/calls/recorded_calls.h"
#include "worker/workload/calls/alias_calls.h"
#include "worker/workload/calls/bpf_calls.h"
#include "worker/workload/calls/execmem_calls.h"

namespace dmfrag::experiment {
namespace {

using model::FrameNumber;
using model::KernelRelease;
using workload::AttributeChange;
using workload::DirectMapCall;
using workload::ModuleMemory;
using workload::UserCalls;
using Frames = std::vector<FrameNumber>;

// No module comes near to it: text alone has 3 calls a page at most, so these are 100 MiB and more.
constexpr size_t kMaxLoadCalls = size_t{1} << 17;

AttributeChange ChangeOf(const model::VirtualAttributeRequest& request) {
  return {.set = request.set, .clear = request.clear};
}

// The direct-map side of requests that each concern all of `frames`, mapped by 4K entries.
std::vector<DirectMapCall> AliasesOf4K(const UserCalls& requests, std::span<const FrameNumber> frames,
                                       KernelRelease release) {
  std::vector<DirectMapCall> aliases;
  for (const auto& call : requests) {
    const auto& request = std::get<model::VirtualAttributeRequest>(call);
    const auto calls = workload::AliasCallsOf4K(ChangeOf(request), frames, release);
    aliases.insert(aliases.end(), calls.begin(), calls.end());
  }
  return aliases;
}

// The same for one 2M entry.
std::vector<DirectMapCall> AliasesOf2M(const UserCalls& requests, FrameNumber first, KernelRelease release) {
  std::vector<DirectMapCall> aliases;
  for (const auto& call : requests) {
    const auto& request = std::get<model::VirtualAttributeRequest>(call);
    const auto calls = workload::AliasCallsOf2M(ChangeOf(request), first, release);
    aliases.insert(aliases.end(), calls.begin(), calls.end());
  }
  return aliases;
}

// Any addresses: only masks are taken from requests on them here.
model::VirtualRange SomePages(size_t pages) {
  return {model::VirtualPage(0), model::VirtualPage(0) + model::FrameCount(pages)};
}

// Calls for whole 2M entries: blocks of the ROX cache, and packs that are such blocks.
class BlockExplainer {
 public:
  BlockExplainer(KernelRelease release, CallTally* tally, std::vector<KnownArea>* areas)
      : release_(release), tally_(tally), areas_(areas) {}

  void Explain(const std::vector<AliasCall>& calls) {
    for (size_t i = 0; i < calls.size();) i += Take(calls, i);
  }

 private:
  // Explains the calls from calls[i] on that belong together; returns how many.
  size_t Take(const std::vector<AliasCall>& calls, size_t i) {
    const FrameNumber first = calls[i].call.request.range.first;
    const auto populate =
        AliasesOf2M(workload::ExecmemPopulate(SomePages(model::kFramesPer2M.raw()), release_), first, release_);
    if (IsRecordOf(calls[i].call, populate.front())) {
      users_[first] = calls[i].user;
      tally_->Learned(calls[i].step, calls[i].user);
      areas_->push_back({calls[i].position, {.user = calls[i].user, .frames = {first}, .block = true}});
      return 1;
    }
    const auto known = users_.find(first);
    const auto freed =
        AliasesOf2M(workload::ExecmemFree(SomePages(model::kFramesPer2M.raw()), release_), first, release_);
    size_t same = 0;
    while (known != users_.end() && same < freed.size() && i + same < calls.size() &&
           IsRecordOf(calls[i + same].call, freed[same])) {
      tally_->Equal(calls[i + same].step, known->second);
      ++same;
    }
    if (same > 0) {
      tally_->NotRecorded(calls[i + same - 1].step, known->second, static_cast<int64_t>(freed.size() - same));
      return same;
    }
    tally_->NotGenerated(calls[i].step, calls[i].user);
    return 1;
  }

  KernelRelease release_;
  CallTally* tally_;
  std::vector<KnownArea>* areas_;
  std::map<FrameNumber, CallUser> users_;
};

// Calls for single pages.
class PageExplainer {
 public:
  PageExplainer(std::vector<AliasCall> marks, KernelRelease release, CallTally* tally, std::vector<KnownArea>* areas)
      : release_(release), tally_(tally), areas_(areas), marks_(std::move(marks)) {
    calls_.reserve(marks_.size());
    for (const AliasCall& mark : marks_) calls_.push_back(mark.call);
  }

  void Explain() {
    while (next_ < calls_.size()) {
      if (marks_[next_].user == CallUser::kBpf ? TakeBpf() : TakeModule()) continue;
      tally_->NotGenerated(marks_[next_].step, marks_[next_].user);
      ++next_;
    }
  }

 private:
  std::span<const DirectMapCall> Left() const { return std::span(calls_).subspan(next_); }

  // A pack's 512 pages, or the page of a program without JIT.
  bool TakeBpf() {
    const size_t pages = marks_[next_].packs ? model::kFramesPer2M.raw() : 1;
    if (Left().size() < pages) return false;
    Frames frames;
    for (const DirectMapCall& call : Left().first(pages)) frames.push_back(call.request.range.first);
    const UserCalls requests = marks_[next_].packs ? workload::BpfPackAllocate(SomePages(pages), release_)
                                                   : workload::BpfProgramLockRo(SomePages(pages), release_);
    const std::vector<DirectMapCall> generated = AliasesOf4K(requests, frames, release_);
    if (CountSame(generated) < generated.size()) return false;
    areas_->push_back({marks_[next_].position, {.user = CallUser::kBpf, .frames = frames}});
    for (size_t i = 0; i < generated.size(); ++i) tally_->Learned(marks_[next_ + i].step, CallUser::kBpf);
    next_ += generated.size();
    return true;
  }

  bool TakeModule() {
    size_t best_same = 0;
    std::vector<DirectMapCall> best_calls;
    ModuleFrames best;
    const std::span<const DirectMapCall> load = Left().first(std::min(Left().size(), kMaxLoadCalls));
    for (ModuleFrames& candidate : ModuleCandidates(load, release_)) {
      std::vector<DirectMapCall> generated = ModuleLoadAliasCalls(candidate, release_);
      const size_t same = CountSame(generated);
      // Rather one that is recorded to its end.
      const bool whole = same == generated.size() && best_same < best_calls.size();
      if (same == 0 || (same <= best_same && !whole)) continue;
      best_same = same;
      best_calls = std::move(generated);
      best = std::move(candidate);
    }
    if (best_same == 0) return false;
    CountModule(best_calls, best_same);
    KnowAreas(best, std::span(best_calls).first(best_same));
    next_ += best_same;
    // Init memory is always freed, the rest with the module.
    const int32_t step = marks_[next_ - 1].step;
    const int64_t missing = TakeFreeOfText(best, ModuleMemory::kInitText);
    tally_->NotRecorded(step, CallUser::kModule, missing);
    TakeFreeOfText(best, ModuleMemory::kText);
    return true;
  }

  // How many of the generated calls are recorded here, from the first one on.
  size_t CountSame(const std::vector<DirectMapCall>& generated) const {
    size_t same = 0;
    while (same < generated.size() && same < Left().size() && IsRecordOf(Left()[same], generated[same])) ++same;
    return same;
  }

  void CountModule(const std::vector<DirectMapCall>& generated, size_t same) {
    std::set<FrameNumber> seen;
    for (size_t i = 0; i < same; ++i) {
      const bool first = seen.insert(generated[i].request.range.first).second;
      const int32_t step = marks_[next_ + i].step;
      if (first) {
        tally_->Learned(step, CallUser::kModule);
      } else {
        tally_->Equal(step, CallUser::kModule);
      }
    }
    tally_->NotRecorded(marks_[next_ + same - 1].step, CallUser::kModule,
                        static_cast<int64_t>(generated.size() - same));
  }

  // What will be freed area by area. On 6.1, core and init memory are one area each, whose other pages are not known.
  void KnowAreas(const ModuleFrames& module, std::span<const DirectMapCall> recorded) {
    const bool old = release_ < KernelRelease::k6_12;
    // Memory that is read-only after init cannot be told from data if it never became so.
    const bool data_mixed = module[ModuleMemory::kRoAfterInit].empty() || module[ModuleMemory::kRodata].empty();
    for (size_t kind = 0; kind < workload::kModuleMemories; ++kind) {
      const auto memory = static_cast<ModuleMemory>(kind);
      if (module[memory].empty() || workload::IsInRoxCache(memory, release_)) continue;
      VmallocArea area{.user = CallUser::kModule, .frames = module[memory]};
      const bool data = memory == ModuleMemory::kData || memory == ModuleMemory::kInitData;
      area.divisible = old || memory == ModuleMemory::kText || (data && data_mixed);
      area.open_end = old;
      // Its memory may have been another's when the load began.
      const auto first = std::find_if(recorded.begin(), recorded.end(), [&](const DirectMapCall& call) {
        return call.request.range.first == area.frames.front();
      });
      if (first == recorded.end()) continue;
      areas_->push_back({marks_[next_ + static_cast<size_t>(first - recorded.begin())].position, std::move(area)});
    }
  }

  // Finds where the text goes back to the ROX cache, in between calls of others, and takes those calls out. Returns how
  // many were not found.
  int64_t TakeFreeOfText(const ModuleFrames& module, ModuleMemory kind) {
    if (module[kind].empty() || !workload::IsInRoxCache(kind, release_)) return 0;
    const std::vector<DirectMapCall> freed =
        AliasesOf4K(workload::ExecmemFree(SomePages(module[kind].size()), release_), module[kind], release_);
    if (freed.empty()) return 0;
    const auto begin = std::find_if(calls_.begin() + static_cast<ptrdiff_t>(next_), calls_.end(),
                                    [&](const DirectMapCall& call) { return IsRecordOf(call, freed.front()); });
    const auto same = [](const auto& generated, const auto& recorded) { return IsRecordOf(recorded, generated); };
    const bool whole = static_cast<size_t>(calls_.end() - begin) >= freed.size() &&
                       std::equal(freed.begin(), freed.end(), begin, same);
    if (!whole) return static_cast<int64_t>(freed.size());
    const auto marks = marks_.begin() + (begin - calls_.begin());
    const auto length = static_cast<ptrdiff_t>(freed.size());
    for (auto mark = marks; mark != marks + length; ++mark) tally_->Equal(mark->step, CallUser::kModule);
    calls_.erase(begin, begin + length);
    marks_.erase(marks, marks + length);
    return 0;
  }

  KernelRelease release_;
  CallTally* tally_;
  std::vector<KnownArea>* areas_;
  std::vector<AliasCall> marks_;
  std::vector<DirectMapCall> calls_;  // those of marks_
  size_t next_ = 0;
};

}  // namespace

std::vector<KnownArea> ExplainAliasCalls(std::vector<AliasCall> calls, KernelRelease release, CallTally& tally) {
  std::vector<AliasCall> blocks;
  std::vector<AliasCall> pages;
  for (AliasCall& call : calls) {
    const bool block = call.call.request.range.count() == model::kFramesPer2M;
    (block ? blocks : pages).push_back(std::move(call));
  }
  std::vector<KnownArea> areas;
  BlockExplainer(release, &tally, &areas).Explain(blocks);
  PageExplainer(std::move(pages), release, &tally, &areas).Explain();
  std::stable_sort(areas.begin(), areas.end(),
                   [](const KnownArea& a, const KnownArea& b) { return a.position < b.position; });
  return areas;
}

}  // namespace dmfrag::experiment
