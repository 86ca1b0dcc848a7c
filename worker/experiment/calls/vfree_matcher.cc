#include "worker/experiment/calls/vfree_matcher.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>
#include <variant>

#include "worker/experiment/calls/recorded_calls.h"
#include "worker/workload/calls/execmem_calls.h"
#include "worker/workload/calls/vmalloc_calls.h"

namespace dmfrag::experiment {
namespace {

using model::FrameNumber;
using workload::CpaCall;
using workload::DirectMapCall;

// Those of the generated calls that take pages out, and those that put them back.
std::vector<DirectMapCall> CallsOf(std::span<const FrameNumber> frames, CpaCall::Op op, model::KernelRelease release) {
  std::vector<DirectMapCall> calls;
  for (const workload::UserCall& call : workload::VfreeWithPermissionReset(frames, release)) {
    const auto* change = std::get_if<DirectMapCall>(&call);
    if (change != nullptr && change->op == op) calls.push_back(*change);
  }
  return calls;
}

}  // namespace

void VfreeMatcher::Know(VmallocArea area) {
  const size_t number = areas_.size();
  for (size_t i = 0; i < area.frames.size(); ++i) places_[area.frames[i].raw()] = {.area = number, .index = i};
  areas_.push_back(std::move(area));
}

void VfreeMatcher::Take(int32_t step, CallUser user, const DirectMapCall& recorded, CallTally& tally) {
  if (recorded.op == CpaCall::Op::kSetDirectMapInvalid) {
    TakeInvalid(step, user, recorded, tally);
  } else {
    TakeDefault(step, user, recorded, tally);
  }
}

bool VfreeMatcher::BeginKnown(int32_t step, FrameNumber frame) {
  const auto place = places_.find(frame.raw());
  if (place == places_.end()) return false;
  VmallocArea& area = areas_[place->second.area];
  const size_t first = place->second.index;
  if (area.block || (first > 0 && !area.divisible)) return false;
  Free free{.step = step, .user = area.user, .frames = {}, .divisible = area.divisible, .open_end = area.open_end};
  free.frames.assign(area.frames.begin() + static_cast<ptrdiff_t>(first), area.frames.end());
  area.frames.resize(first);
  for (const FrameNumber freed : free.frames) places_.erase(freed.raw());
  free.first_half = CallsOf(free.frames, CpaCall::Op::kSetDirectMapInvalid, release_);
  frees_.push_back(std::move(free));
  return true;
}

bool VfreeMatcher::IsNextInvalid(const Free& free, const DirectMapCall& recorded) const {
  return free.put_back == 0 && free.invalid < free.first_half.size() &&
         IsRecordOf(recorded, free.first_half[free.invalid]);
}

bool VfreeMatcher::IsNextDefault(Free& free, const DirectMapCall& recorded) const {
  if (free.put_back == 0 && free.generated != free.invalid) {
    free.generated = free.invalid;
    free.second_half = CallsOf(std::span(free.frames).first(free.invalid), CpaCall::Op::kSetDirectMapDefault, release_);
  }
  return free.put_back < free.second_half.size() && IsRecordOf(recorded, free.second_half[free.put_back]);
}

void VfreeMatcher::EndEarly(Free& free, CallTally& tally) {
  VmallocArea rest{.user = free.user, .frames = {}, .divisible = free.divisible, .open_end = free.open_end};
  rest.frames.assign(free.frames.begin() + static_cast<ptrdiff_t>(free.invalid), free.frames.end());
  free.frames.resize(free.invalid);
  if (!free.divisible) tally.NotRecorded(free.step, free.user, static_cast<int64_t>(2 * rest.frames.size()));
  Know(std::move(rest));
}

void VfreeMatcher::TakeInvalid(int32_t step, CallUser user, const DirectMapCall& recorded, CallTally& tally) {
  const FrameNumber frame = recorded.request.range.first;
  const auto is_next = [&](const Free& free) { return IsNextInvalid(free, recorded); };
  auto free = std::find_if(frees_.begin(), frees_.end(), is_next);
  if (free == frees_.end() && BeginKnown(step, frame)) free = std::prev(frees_.end());
  if (free != frees_.end() && is_next(*free)) {
    ++free->invalid;
    free->step = step;
    tally.Equal(step, free->user);
    return;
  }
  // Of no known area: the next page of one whose end is open, or the first of a new one.
  const auto grows = [](const Free& open) {
    return open.open_end && open.put_back == 0 && open.invalid == open.frames.size();
  };
  const auto open = std::find_if(frees_.rbegin(), frees_.rend(), grows);
  if (open == frees_.rend()) frees_.push_back({.step = step, .user = user, .frames = {}, .open_end = true});
  Free& grown = open == frees_.rend() ? frees_.back() : *open;
  grown.frames.push_back(frame);
  ++grown.invalid;
  grown.step = step;
  tally.Learned(step, grown.user);
}

void VfreeMatcher::TakeDefault(int32_t step, CallUser user, const DirectMapCall& recorded, CallTally& tally) {
  const model::FrameRange range = recorded.request.range;
  if (range.count() > model::kFramesPer4K) {
    const auto place = places_.find(range.first.raw());
    const bool known =
        place != places_.end() && areas_[place->second.area].block &&
        IsRecordOf(recorded, std::get<DirectMapCall>(
                                 workload::ExecmemClean({range.first, range.first + model::kFramesPer2M}).front()));
    if (known) {
      tally.Equal(step, areas_[place->second.area].user);
    } else {
      tally.Learned(step, user);
    }
    return;
  }
  const auto is_next = [&](Free& free) { return IsNextDefault(free, recorded); };
  const auto free = std::find_if(frees_.begin(), frees_.end(), is_next);
  if (free == frees_.end()) {
    tally.NotGenerated(step, user);
    return;
  }
  if (free->invalid < free->frames.size()) EndEarly(*free, tally);
  tally.Equal(step, free->user);
  free->step = step;
  if (++free->put_back == free->frames.size()) frees_.erase(free);
}

void VfreeMatcher::End(CallTally& tally) {
  for (const Free& free : frees_) {
    const size_t left = 2 * free.frames.size() - free.invalid - free.put_back;
    tally.NotRecorded(free.step, free.user, static_cast<int64_t>(left));
  }
}

}  // namespace dmfrag::experiment
