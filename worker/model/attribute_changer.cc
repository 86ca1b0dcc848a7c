#include "worker/model/attribute_changer.h"

#include <algorithm>
#include <optional>

namespace dmfrag::model {
namespace {

// An entry that is not present loses GLOBAL, which means something else there (pgprot_clear_protnone_bits); making it
// present again does not bring it back.
EntryFlags Changed(EntryFlags old, const AttributeRequest& request) {
  const EntryFlags flags = old.Without(request.clear).With(request.set);
  return flags.Has(EntryFlags::kPresent) ? flags : flags.Without(EntryFlags(EntryFlags::kGlobal));
}

}  // namespace

CpaOutcome AttributeChanger::Change(const AttributeRequest& request, EventCounters& account) {
  ++account.cpa_requests;
  changed_ = false;
  if (request.set.empty() && request.clear.empty() && !request.force_4k) return CpaOutcome::kDone;

  CpaOutcome outcome = CpaOutcome::kDone;
  const FrameNumber end = std::min(request.range.end, map_->end());
  for (FrameNumber frame = request.range.first; frame < end;) {
    const FrameCount left = request.array ? FrameCount(1) : end - frame;
    const FrameCount done = Step(frame, left, request, account);
    if (done.raw() == 0) {
      outcome = CpaOutcome::kNoMemory;
      ++account.split_enomem;
      break;
    }
    frame = frame + done;
  }
  if (!request.flush || !changed_) return outcome;
  if (outcome == CpaOutcome::kNoMemory) {
    flushes_.FlushAll(account);
    return outcome;
  }
  flushes_.FlushRange(request.range.count(), account);
  if (request.collapse) CollapseTouched(request, account);
  return outcome;
}

FrameCount AttributeChanger::Step(FrameNumber first, FrameCount remaining, const AttributeRequest& request,
                                  EventCounters& account) {
  for (;;) {
    const std::optional<DirectMap::Leaf> leaf = map_->Lookup(first);
    if (!leaf.has_value()) return FrameCount(1);  // holes are expected, and skipped a page at a time
    const FrameNumber leaf_end = leaf->first + FramesOf(leaf->level);
    const FrameCount covered = std::min(remaining, leaf_end - first);
    const EntryFlags flags = Changed(leaf->flags, request);
    const bool large = leaf->level != MapLevel::k4K;
    const bool whole = covered == FramesOf(leaf->level);
    const bool same = flags == leaf->flags;
    if (!large || (!request.force_4k && (same || whole))) {
      if (!same) {
        map_->SetFlags(first, flags);
        ++account.entries_written;
        changed_ = true;
      }
      return covered;
    }
    if (!Split(*leaf, account)) return FrameCount(0);
  }
}

bool AttributeChanger::Split(const DirectMap::Leaf& leaf, EventCounters& account) {
  const std::optional<FrameNumber> table = tables_->TakeTable(leaf.level, leaf.first);
  if (!table.has_value()) return false;
  const bool is_2m = leaf.level == MapLevel::k2M;
  ++account.table_pages;
  if (is_2m && table->AlignedDown(kFramesPer2M) == leaf.first) ++account.table_pages_in_split_block;
  ++(is_2m ? account.splits_2m : account.splits_1g);
  map_->Split(leaf.first, leaf.flags, *table);
  counters_->OnSplit(leaf.level);
  flushes_.FlushAll(account);
  return true;
}

void AttributeChanger::CollapseTouched(const AttributeRequest& request, EventCounters& account) {
  bool any = false;
  const FrameNumber end = std::min(request.range.end, map_->end());
  for (FrameNumber block = request.range.first.AlignedDown(kFramesPer2M); block < end; block = block + kFramesPer2M) {
    if (!TryCollapse(block, MapLevel::k2M, account)) continue;
    any = true;
    TryCollapse(block, MapLevel::k1G, account);
  }
  if (any) flushes_.FlushAll(account);
}

bool AttributeChanger::TryCollapse(FrameNumber first, MapLevel level, EventCounters& account) {
  const std::optional<EntryFlags> flags = map_->UniformFlags(first, level);
  if (!flags.has_value() || !flags->Has(EntryFlags::kPresent) || flags->Has(EntryFlags::kKernel4K)) return false;
  const FrameNumber table = map_->Collapse(first, level);
  if (table != DirectMap::kNoFrame) tables_->ReturnTable(table);
  counters_->OnCollapse(level);
  ++(level == MapLevel::k2M ? account.collapses_2m : account.collapses_1g);
  return true;
}

}  // namespace dmfrag::model
