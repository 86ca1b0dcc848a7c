#include "worker/workload/calls/set_memory.h"

#include <algorithm>
#include <array>
#include <utility>

namespace dmfrag::workload {
namespace {

using model::EntryFlags;
using model::FrameNumber;
using model::FrameRange;
using model::KernelRelease;

constexpr EntryFlags kPresent(EntryFlags::kPresent);
constexpr EntryFlags kWritable(EntryFlags::kWritable);
constexpr EntryFlags kPresentWritable(EntryFlags::kPresent | EntryFlags::kWritable);
constexpr EntryFlags kDirty(EntryFlags::kDirty);
constexpr EntryFlags kNoExecute(EntryFlags::kNoExecute);
constexpr EntryFlags kGlobal(EntryFlags::kGlobal);

// _PAGE_CACHE_MASK, and the modes as the PAT that the kernel programs encodes them (arch/x86/mm/pat/memtype.c
// pat_bp_init): WC is entry 1, UC- entry 2, WT entry 7.
constexpr EntryFlags kCacheMask(EntryFlags::kWriteThrough | EntryFlags::kCacheDisable | EntryFlags::kPat);
constexpr EntryFlags kUcMinus(EntryFlags::kCacheDisable);
constexpr EntryFlags kWriteCombining(EntryFlags::kWriteThrough);
constexpr EntryFlags kWriteThrough = kCacheMask;

// 6.6: read-only kernel entries are not dirty, since that combination means shadow stack.
EntryFlags NoWrite(KernelRelease release) {
  return release >= KernelRelease::k6_12 ? kWritable.With(kDirty) : kWritable;
}

std::vector<AttributeChange> Rox(KernelRelease release) {
  if (release < KernelRelease::k6_12) return {{.clear = NoWrite(release)}, {.clear = kNoExecute}};
  return {{.clear = NoWrite(release).With(kNoExecute), .collapse = release >= KernelRelease::k6_16}};
}

template <typename Range>
model::BasicAttributeRequest<Range> RequestOf(const AttributeChange& change, Range range) {
  model::BasicAttributeRequest<Range> request;
  request.range = range;
  request.set = change.set;
  request.clear = change.clear;
  request.force_4k = change.force_4k;
  request.collapse = change.collapse;
  return request;
}

CpaCall::Op OpOf(const AttributeChange& change) {
  if (change.force_4k) return CpaCall::Op::kForce4K;
  return change.collapse ? CpaCall::Op::kRox : CpaCall::Op::kChange;
}

DirectMapCall NoflushCall(CpaCall::Op op, FrameRange range, EntryFlags set, EntryFlags clear) {
  DirectMapCall call;
  call.op = op;
  call.request.range = range;
  call.request.set = set;
  call.request.clear = clear;
  call.request.flush = false;
  call.request.check_alias = false;
  return call;
}

FrameRange OnePage(FrameNumber frame) { return {frame, frame + model::kFramesPer4K}; }

}  // namespace

std::optional<SetMemoryFunction> SetMemoryFunctionNamed(std::string_view name) {
  using Function = SetMemoryFunction;
  static constexpr std::array<std::pair<std::string_view, Function>, 14> kNames = {
      {{"set_memory_ro", Function::kRo},
       {"set_memory_rw", Function::kRw},
       {"set_memory_x", Function::kX},
       {"set_memory_nx", Function::kNx},
       {"set_memory_rox", Function::kRox},
       {"set_memory_np", Function::kNp},
       {"set_memory_p", Function::kP},
       {"set_memory_4k", Function::k4K},
       {"set_memory_uc", Function::kUc},
       {"set_memory_wc", Function::kWc},
       {"set_memory_wt", Function::kWt},
       {"set_memory_wb", Function::kWb},
       {"set_memory_global", Function::kGlobal},
       {"set_memory_nonglobal", Function::kNonglobal}}};
  const auto* found =
      std::find_if(kNames.begin(), kNames.end(), [&](const auto& known) { return known.first == name; });
  return found == kNames.end() ? std::nullopt : std::optional(found->second);
}

std::vector<AttributeChange> AttributeChangesOf(SetMemoryFunction function, KernelRelease release) {
  switch (function) {
    case SetMemoryFunction::kRo:
      return {{.clear = NoWrite(release)}};
    case SetMemoryFunction::kRw:
      return {{.set = kWritable}};
    case SetMemoryFunction::kX:
      return {{.clear = kNoExecute}};
    case SetMemoryFunction::kNx:
      return {{.set = kNoExecute}};
    case SetMemoryFunction::kRox:
      return Rox(release);
    case SetMemoryFunction::kNp:
      return {{.clear = kPresent}};
    case SetMemoryFunction::kP:
      return {{.set = kPresent}};
    case SetMemoryFunction::k4K:
      // 6.15 marks the entries, so that no collapse undoes it.
      return {{.set = EntryFlags(release >= KernelRelease::k6_16 ? EntryFlags::kKernel4K : 0), .force_4k = true}};
    case SetMemoryFunction::kUc:
      return {{.set = kUcMinus}};
    case SetMemoryFunction::kWc:
      return {{.set = kUcMinus}, {.set = kWriteCombining, .clear = kCacheMask}};
    case SetMemoryFunction::kWt:
      return {{.set = kWriteThrough}};
    case SetMemoryFunction::kWb:
      return {{.clear = kCacheMask}};
    case SetMemoryFunction::kGlobal:
      return {{.set = kGlobal}};
    case SetMemoryFunction::kNonglobal:
      return {{.clear = kGlobal}};
  }
  return {};
}

UserCalls SetMemory(SetMemoryFunction function, FrameRange frames, KernelRelease release) {
  UserCalls calls;
  for (const AttributeChange& change : AttributeChangesOf(function, release)) {
    calls.push_back(DirectMapCall{.op = OpOf(change), .request = RequestOf(change, frames)});
  }
  return calls;
}

UserCalls SetMemory(SetMemoryFunction function, model::VirtualRange pages, KernelRelease release) {
  UserCalls calls;
  for (const AttributeChange& change : AttributeChangesOf(function, release)) {
    calls.push_back(RequestOf(change, pages));
  }
  return calls;
}

UserCall SetDirectMapInvalid(FrameNumber frame, KernelRelease release) {
  return NoflushCall(CpaCall::Op::kSetDirectMapInvalid, OnePage(frame), {}, kPresent.With(NoWrite(release)));
}

UserCall SetDirectMapDefault(FrameNumber frame) {
  return NoflushCall(CpaCall::Op::kSetDirectMapDefault, OnePage(frame), kPresentWritable, {});
}

UserCall SetDirectMapValid(FrameRange frames) {
  return NoflushCall(CpaCall::Op::kSetDirectMapDefault, frames, kPresentWritable, {});
}

}  // namespace dmfrag::workload
