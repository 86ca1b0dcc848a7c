#include "worker/workload/calls/alias_calls.h"

namespace dmfrag::workload {
namespace {

using model::EntryFlags;
using model::FrameNumber;
using model::FrameRange;

constexpr EntryFlags kNoExecute(EntryFlags::kNoExecute);

DirectMapCall CallOn(const AttributeChange& alias, FrameRange frames) {
  DirectMapCall call;
  call.request.range = frames;
  call.request.set = alias.set;
  call.request.clear = alias.clear;
  call.request.check_alias = false;
  return call;
}

}  // namespace

bool AsksAlias(const AttributeChange& change, model::KernelRelease release) {
  const bool changes_nx_alone = change.set.With(change.clear) == kNoExecute;
  return !changes_nx_alone || release >= model::KernelRelease::k6_12;
}

AttributeChange AliasOf(const AttributeChange& change) {
  return {.set = change.set.Without(kNoExecute), .clear = change.clear.Without(kNoExecute)};
}

std::vector<DirectMapCall> AliasCallsOf4K(const AttributeChange& change, std::span<const FrameNumber> frames,
                                          model::KernelRelease release) {
  std::vector<DirectMapCall> calls;
  if (!AsksAlias(change, release)) return calls;
  calls.reserve(frames.size());
  for (const FrameNumber frame : frames) calls.push_back(CallOn(AliasOf(change), {frame, frame + model::kFramesPer4K}));
  return calls;
}

std::vector<DirectMapCall> AliasCallsOf2M(const AttributeChange& change, FrameNumber first,
                                          model::KernelRelease release) {
  if (!AsksAlias(change, release)) return {};
  return {CallOn(AliasOf(change), {first, first + model::kFramesPer2M})};
}

}  // namespace dmfrag::workload
