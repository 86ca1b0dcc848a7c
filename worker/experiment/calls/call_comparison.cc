#include "worker/experiment/calls/call_comparison.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>

#include "third_party/abseil_extras/status_macros.h"
#include "worker/experiment/calls/alias_explainer.h"
#include "worker/experiment/calls/recorded_calls.h"
#include "worker/experiment/calls/secretmem_matcher.h"
#include "worker/experiment/calls/vfree_matcher.h"
#include "worker/workload/calls/alias_calls.h"
#include "worker/workload/calls/set_memory.h"

namespace dmfrag::experiment {
namespace {

using model::KernelRelease;
using workload::AttributeChange;
using workload::CpaCall;
using workload::DirectMapCall;
using workload::StepOperations;

// Of a whole capture: 20 times what the largest one has, and few enough to be held one by one.
constexpr size_t kMaxCalls = size_t{1} << 24;

bool IsSetDirectMap(const DirectMapCall& call) {
  return call.op == CpaCall::Op::kSetDirectMapInvalid || call.op == CpaCall::Op::kSetDirectMapDefault;
}

// Whose the alias calls of a step are.
CallUser UserOf(std::string_view action) {
  const std::string_view verb = action.substr(0, action.find(' '));
  if (verb == "ebpf" || verb == "cbpf") return CallUser::kBpf;
  if (verb.starts_with("insmod") || verb == "insall" || verb == "rmmod" || verb == "rmall") return CallUser::kModule;
  return CallUser::kOther;
}

workload::UserCalls Generate(const workload::FunctionCall& call, KernelRelease release) {
  if (call.function == "set_direct_map_invalid_noflush") return {workload::SetDirectMapInvalid(call.first, release)};
  if (call.function == "set_direct_map_default_noflush") return {workload::SetDirectMapDefault(call.first)};
  const auto function = workload::SetMemoryFunctionNamed(call.function);
  if (!function.has_value()) return {};
  return workload::SetMemory(*function, model::FrameRange{call.first, call.first + call.pages}, release);
}

// Steps that call functions on the direct map make no other calls.
void CompareFunctions(const StepOperations& operations, const std::vector<DirectMapCall>& recorded,
                      KernelRelease release, CallTally& tally) {
  size_t next = 0;
  for (const workload::FunctionCall& call : operations.functions) {
    for (const workload::UserCall& generated : Generate(call, release)) {
      const bool same = next < recorded.size() && IsRecordOf(recorded[next], std::get<DirectMapCall>(generated));
      if (same) {
        tally.Equal(operations.step, CallUser::kSetMemory);
        ++next;
      } else {
        tally.NotRecorded(operations.step, CallUser::kSetMemory, 1);
      }
    }
  }
  for (; next < recorded.size(); ++next) tally.NotGenerated(operations.step, CallUser::kSetMemory);
}

// Pages of the direct map by the masks of the calls for them.
using PagesByMasks = std::map<std::pair<model::EntryFlags, model::EntryFlags>, int64_t>;

// As they must follow from the requests on other addresses.
PagesByMasks AliasPagesOf(const StepOperations& operations, KernelRelease release) {
  PagesByMasks pages;
  for (const workload::MappedPages& mapped : operations.mapped) {
    const AttributeChange change{.set = mapped.set, .clear = mapped.clear};
    if (!workload::AsksAlias(change, release)) continue;
    const AttributeChange alias = workload::AliasOf(change);
    pages[{alias.set, alias.clear}] += static_cast<int64_t>(mapped.pages);
  }
  return pages;
}

// A 2M of addresses was made read-only whole, by single pages: packs. Programs without JIT are scattered.
bool MakesPacks(const StepOperations& operations) {
  return std::any_of(operations.mapped.begin(), operations.mapped.end(), [](const workload::MappedPages& mapped) {
    return mapped.pages >= model::kFramesPer2M.raw() && mapped.clear.Has(model::EntryFlags::kWritable);
  });
}

// Tells uses of the same frame apart. A page of init memory is often given to the next module at once: to a reader of
// calls, that module must not look as if it went on with the first one's page. How often a frame was freed rides above
// the frame number, which has at most 35 bits.
class FrameUses {
 public:
  static model::FrameNumber FrameOf(model::FrameNumber use) { return model::FrameNumber(use.raw() & kFrameMask); }

  // A call of set_direct_map_* was recorded.
  void Count(const DirectMapCall& call) {
    if (call.op == CpaCall::Op::kSetDirectMapInvalid) ++freed_[call.request.range.first.raw()];
  }
  // Replaces the frame of a call for a single page by its use.
  void Tag(DirectMapCall& call) const {
    model::FrameRange& range = call.request.range;
    const auto freed = freed_.find(range.first.raw());
    if (freed == freed_.end() || range.count() != model::kFramesPer4K) return;
    range.first = model::FrameNumber(range.first.raw() + (freed->second << kFrameBits));
    range.end = range.first + model::kFramesPer4K;
  }

 private:
  static constexpr unsigned kFrameBits = 35;
  static constexpr uint64_t kFrameMask = (uint64_t{1} << kFrameBits) - 1;
  std::unordered_map<uint64_t, uint64_t> freed_;
};

class Comparison {
 public:
  explicit Comparison(const workload::ReplayInput& input) : release_(input.release), secretmem_(release_) {
    for (const StepOperations& operations : input.operations) knows_mapped_ |= !operations.mapped.empty();
  }

  void Add(const StepOperations& operations, const std::vector<DirectMapCall>& recorded) {
    if (!operations.functions.empty()) {
      CompareFunctions(operations, recorded, release_, tally_);
      return;
    }
    const size_t first_alias = aliases_.size();
    const bool packs = MakesPacks(operations);
    const CallUser user = UserOf(operations.action);
    for (const DirectMapCall& call : secretmem_.Match(operations, recorded, tally_)) {
      ++position_;
      if (!IsSetDirectMap(call)) {
        aliases_.push_back(
            {.position = position_, .step = operations.step, .user = user, .packs = packs, .call = call});
        uses_.Tag(aliases_.back().call);
      } else {
        frees_.push_back({position_, operations.step, user, call});
        uses_.Count(call);
      }
    }
    if (knows_mapped_) CheckPages(operations, first_alias);
  }

  // No calls of the step were recorded.
  void Skip(const StepOperations& operations) { secretmem_.Skip(operations); }

  std::vector<CallComparison> Finish() {
    std::vector<KnownArea> areas = ExplainAliasCalls(std::move(aliases_), release_, tally_);
    for (KnownArea& known : areas) {
      for (model::FrameNumber& frame : known.area.frames) frame = FrameUses::FrameOf(frame);
    }
    VfreeMatcher vfree(release_);
    auto known = areas.begin();
    for (const FreeCall& free : frees_) {
      for (; known != areas.end() && known->position < free.position; ++known) vfree.Know(known->area);
      vfree.Take(free.step, free.user, free.call, tally_);
    }
    vfree.End(tally_);
    for (const auto& [step, user, calls] : unlearn_) tally_.Unlearn(step, user, calls);
    return tally_.comparisons();
  }

 private:
  struct FreeCall {
    size_t position = 0;
    int32_t step = 0;
    CallUser user = CallUser::kOther;
    DirectMapCall call;
  };
  struct Unlearned {
    int32_t step = 0;
    CallUser user = CallUser::kOther;
    int64_t calls = 0;
  };

  // Whether as many pages were asked with the same masks as follow from the requests on other addresses.
  void CheckPages(const StepOperations& operations, size_t first_alias) {
    PagesByMasks difference = AliasPagesOf(operations, release_);
    for (size_t i = first_alias; i < aliases_.size(); ++i) {
      const model::AttributeRequest& request = aliases_[i].call.request;
      difference[{request.set, request.clear}] -= static_cast<int64_t>(request.range.count().raw());
    }
    const CallUser user = UserOf(operations.action);
    for (const auto& [masks, pages] : difference) {
      if (pages > 0) tally_.NotRecorded(operations.step, user, pages);
      if (pages < 0) unlearn_.push_back({operations.step, user, -pages});
    }
  }

  KernelRelease release_;
  bool knows_mapped_ = false;
  CallTally tally_;
  SecretmemMatcher secretmem_;
  size_t position_ = 0;
  FrameUses uses_;
  std::vector<AliasCall> aliases_;
  std::vector<FreeCall> frees_;
  std::vector<Unlearned> unlearn_;
};

}  // namespace

absl::StatusOr<std::vector<CallComparison>> CompareCalls(const workload::ReplayInput& input) {
  Comparison comparison(input);
  size_t max_calls = kMaxCalls;
  auto step = input.steps.begin();
  for (const StepOperations& operations : input.operations) {
    while (step != input.steps.end() && step->index < operations.step) ++step;
    const bool recorded = step != input.steps.end() && step->index == operations.step &&
                          step->source == workload::RequestSource::kCpaCalls;
    if (!recorded) {
      comparison.Skip(operations);
      continue;
    }
    ASSIGN_OR_RETURN(const std::vector<DirectMapCall> calls, ExpandCalls(*step, max_calls));
    max_calls -= calls.size();
    comparison.Add(operations, calls);
  }
  return comparison.Finish();
}

}  // namespace dmfrag::experiment
