#include "worker/experiment/flushes/alias_flushes.h"

#include <vector>

#include "worker/model/entry_flags.h"
#include "worker/model/tlb_flushes.h"

namespace dmfrag::experiment {
namespace {

using model::EntryFlags;
using workload::CpaCall;

uint64_t BlockOf(uint64_t frame) { return frame / model::kFramesPer2M.raw(); }

}  // namespace

AliasFlushCounter::Kind AliasFlushCounter::KindOf(const CpaCall& call) {
  if (call.set.empty() && call.clear.empty()) return Kind::kNoExecute;
  return call.set.Has(EntryFlags::kWritable) ? Kind::kWritable : Kind::kReadOnly;
}

AliasFlushCounter::Area AliasFlushCounter::AreaOf(Kind kind, model::FrameNumber frame, uint64_t position) const {
  if (kind != Kind::kReadOnly) return {AreaSource::kUnknown, 0};
  const auto announced = announced_.find(frame.raw());
  if (announced != announced_.end()) return {AreaSource::kAnnounced, announced->second};
  const std::optional<uint32_t> freed = areas_->AreaAt(frame, position);
  return freed.has_value() ? Area(AreaSource::kFreed, *freed) : Area(AreaSource::kUnknown, 0);
}

void AliasFlushCounter::Observe(const CpaCall& call, uint64_t position, bool changed) {
  if (call.pages_each.raw() > 1) return WholeLeaf(call, changed);
  const Kind kind = KindOf(call);
  const Area area = AreaOf(kind, call.first, position);
  if (const auto freed_with = areas_->AreaAt(call.first, position)) called_on_.insert(*freed_with);
  if (!call_.has_value() || call_->kind != kind || call_->area != area || call_->frames.contains(call.first.raw())) {
    End();
    Begin(kind, area);
  }
  if (kind == Kind::kWritable) announced_[call.first.raw()] = announcements_;
  call_->frames.insert(call.first.raw());
  call_->changed |= changed;
}

void AliasFlushCounter::Begin(Kind kind, Area area) {
  call_.emplace();
  call_->kind = kind;
  call_->area = area;
  if (kind == Kind::kWritable) ++announcements_;
  // Before 6.2 an init area without text has no calls either.
  if (std::exchange(load_failed_, false) && !rules_.skip_alias_of_nx) ++flushes_.flush_tlb_kernel_range;
}

// A large vmalloc page: a pack or a block of the cache as a whole. Neither it nor its alias is split.
void AliasFlushCounter::WholeLeaf(const CpaCall& call, bool changed) {
  End();
  if (!changed) return;
  flushes_.flush_tlb_all += KindOf(call) == Kind::kWritable ? 2 : 1;  // after set_memory_nx, which shows no change
}

AliasFlushes AliasFlushCounter::TakeStep() {
  End();
  return std::exchange(flushes_, {});
}

void AliasFlushCounter::End() {
  if (!call_.has_value()) return;
  const Call call = *std::exchange(call_, std::nullopt);
  if (call.kind == Kind::kNoExecute) return;  // of an area of data, which was so already; else a writable call follows
  if (call.kind == Kind::kWritable) return EndWritable(call);
  if (call.area.first == AreaSource::kAnnounced) return EndAnnounced(call);
  if (rules_.skip_alias_of_nx) return EndBefore6_2(call);
  EndFreed(call);
}

void AliasFlushCounter::EndWritable(const Call& call) {
  written_last_ = Area(AreaSource::kAnnounced, announcements_);
  text_done_ = false;
  if (!call.changed) return;    // data
  flushes_.flush_tlb_all += 2;  // set_memory_nx, set_memory_rw
  int64_t splits = 0;
  for (const uint64_t frame : call.frames) {
    auto& writable = writable_[BlockOf(frame)];
    if (writable.empty()) ++splits;
    writable.insert(frame);
  }
  flushes_.cache_splits += splits;
  flushes_.flush_tlb_all += splits;
}

void AliasFlushCounter::EndAnnounced(const Call& call) {
  if (call.changed) ++flushes_.flush_tlb_all;
  bool text = false;
  int64_t collapses = 0;
  for (const uint64_t frame : call.frames) {
    auto& writable = writable_[BlockOf(frame)];
    if (writable.erase(frame) == 0) continue;
    text = true;
    collapses += writable.empty() ? 1 : 0;
  }
  flushes_.cache_collapses += collapses;
  if (collapses > 0) ++flushes_.flush_tlb_all;  // one for all
  // Text that is freed is filled with traps and made read-only at once; of a module loaded it comes after all the rest.
  const bool freed = written_last_ == call.area;
  written_last_.reset();
  if (!text || freed || text_done_) return;
  text_done_ = true;
  CountLoad();
}

void AliasFlushCounter::EndFreed(const Call& call) {
  if (call.changed) ++flushes_.flush_tlb_all;
  if (call.area.first == AreaSource::kFreed) CountLoadOnSecondPass(begun_.insert(call.area.second).second);
}

void AliasFlushCounter::EndBefore6_2(const Call& call) {
  const bool known = call.area.first == AreaSource::kFreed;
  const bool first_pass = !known || begun_.insert(call.area.second).second;
  const bool init = std::exchange(init_is_next_, false);
  if (known) CountLoadOnSecondPass(first_pass);
  if (call.changed) ++flushes_.flush_tlb_all;
  if (!first_pass || !call.changed) return;
  const uint64_t frames = call.frames.size();
  if (init || (known && frames == areas_->size(call.area.second).raw())) {
    SetExecutable(frames);  // text and nothing else: of a module's init, a BPF pack, a trampoline
    return;
  }
  ++flushes_.flush_tlb_all;  // rodata
  // How long the text is, no request tells. In the captures it is 612 of 962 pages.
  SetExecutable(frames * 2 / 3);
  init_is_next_ = true;
}

void AliasFlushCounter::SetExecutable(uint64_t frames) {
  const bool all = model::FrameCount(frames) > model::TlbFlushes::kSinglePageCeiling;
  ++(all ? flushes_.flush_tlb_all : flushes_.cpa_ranges);
}

void AliasFlushCounter::CountLoadOnSecondPass(bool first_pass) {
  if (first_pass) {
    loading_ = true;
  } else if (std::exchange(loading_, false)) {
    CountLoad();
  }
}

void AliasFlushCounter::CountLoad() {
  ++flushes_.modules_loaded;
  ++flushes_.flush_tlb_kernel_range;
}

}  // namespace dmfrag::experiment
