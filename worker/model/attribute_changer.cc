#include "worker/model/attribute_changer.h"

#include <algorithm>
#include <optional>

namespace dmfrag::model {
namespace {

constexpr EntryFlags kNoExecute(EntryFlags::kNoExecute);
constexpr EntryFlags kCacheMode(EntryFlags::kWriteThrough | EntryFlags::kCacheDisable | EntryFlags::kPat);

template <typename Request>
bool ChangesNothing(const Request& request) {
  return request.set.empty() && request.clear.empty() && !request.force_4k;
}

bool MayCollapse(std::optional<EntryFlags> flags) {
  return flags.has_value() && flags->Has(EntryFlags::kPresent) && !flags->Has(EntryFlags::kKernel4K);
}

// Where a range ends that may reach beyond what is mapped.
FrameNumber MappedEnd(const DirectMap& map, FrameRange range) { return std::min(range.end, map.end()); }
VirtualPage MappedEnd(const VirtualMap&, VirtualRange range) { return range.end; }

// Pages of `range` that are mapped and present, 4K each.
template <typename Map, typename Range>
int64_t PresentPages(const Map& map, const Range& range) {
  int64_t present = 0;
  const auto end = MappedEnd(map, range);
  for (auto page = range.first; page < end;) {
    const auto leaf = map.Lookup(page);
    const auto next = leaf.has_value() ? std::min(end, leaf->first + FramesOf(leaf->level)) : page + FrameCount(1);
    if (leaf.has_value() && leaf->flags.Has(EntryFlags::kPresent)) present += static_cast<int64_t>((next - page).raw());
    page = next;
  }
  return present;
}

}  // namespace

CpaOutcome AttributeChanger::Change(const AttributeRequest& request, EventCounters& account) {
  changed_ = force_flush_all_ = false;
  const CpaOutcome outcome = ChangeDirectMap(request, ChecksAliases(request), account);
  if (Flush(*map_, request, outcome, account) && request.collapse && rules_.collapse == CollapseDesign::kOnRox) {
    Collapse(request.range, account);
  }
  return outcome;
}

CpaOutcome AttributeChanger::Change(VirtualMap& mapping, const VirtualAttributeRequest& request,
                                    EventCounters& account) {
  if (ChangesNothing(request)) return CpaOutcome::kDone;
  changed_ = force_flush_all_ = false;
  CpaOutcome outcome = CpaOutcome::kDone;
  const bool alias = ChecksAliases(request);
  for (VirtualPage page = request.range.first; page < request.range.end && outcome == CpaOutcome::kDone;) {
    const FrameCount left = request.array ? FrameCount(1) : request.range.end - page;
    const FrameCount done = Step(mapping, page, left, request, account);
    if (done.raw() == 0) {
      outcome = CpaOutcome::kNoMemory;
      ++account.split_enomem;
      break;
    }
    if (const auto leaf = mapping.Lookup(page); alias && leaf.has_value()) {
      outcome = ChangeAliases(leaf->frame + (page - leaf->first), done, /*in_direct_map=*/false,
                              /*in_image=*/mapping.kind() == VirtualMap::Kind::kKernelImage, request, account);
    }
    page = page + done;
  }
  if (!Flush(mapping, request, outcome, account) || !request.collapse || rules_.collapse != CollapseDesign::kOnRox) {
    return outcome;
  }
  bool any = false;
  for (VirtualPage block = request.range.first.AlignedDown(kFramesPer2M); block < request.range.end;
       block = block + kFramesPer2M) {
    any = TryCollapse(mapping, block, account) || any;
  }
  if (any) flushes_.FlushAll(account);
  return outcome;
}

template <typename Request>
bool AttributeChanger::ChecksAliases(const Request& request) const {
  return request.check_alias && !(rules_.skip_alias_of_nx && request.set.With(request.clear) == kNoExecute);
}

template <typename Request>
CpaOutcome AttributeChanger::ChangeAliases(FrameNumber frame, FrameCount pages, bool in_direct_map, bool in_image,
                                           const Request& request, EventCounters& account) {
  // The direct map is never executable, and the image is only where it was asked for.
  AttributeRequest alias{.range = {frame, frame + pages},
                         .set = request.set.Without(kNoExecute),
                         .clear = request.clear.Without(kNoExecute),
                         .force_4k = request.force_4k,
                         .flush = false};
  const bool changed = changed_;
  CpaOutcome outcome = CpaOutcome::kDone;
  if (!in_direct_map) {
    force_flush_all_ = true;
    outcome = ChangeDirectMap(alias, /*with_image=*/false, account);
  }
  if (image_ != nullptr && !in_image && outcome == CpaOutcome::kDone) {
    const FrameRange common{std::max(frame, image_frames_.first), std::min(frame + pages, image_frames_.end)};
    for (FrameNumber f = common.first; f < common.end;) {
      force_flush_all_ = true;
      const FrameCount done = Step(*image_, image_first_ + (f - image_frames_.first), common.end - f, alias, account);
      if (done.raw() == 0) break;  // the image's range is not exact, so the kernel ignores how this ends
      f = f + done;
    }
  }
  changed_ = changed;
  return outcome;
}

CpaOutcome AttributeChanger::ChangeDirectMap(const AttributeRequest& request, bool with_image, EventCounters& account) {
  ++account.cpa_requests;
  if (observer_ != nullptr) observer_->OnRequest(request);
  if (ChangesNothing(request)) return CpaOutcome::kDone;
  const FrameNumber end = std::min(request.range.end, map_->end());
  for (FrameNumber frame = request.range.first; frame < end;) {
    const FrameCount left = request.array ? FrameCount(1) : end - frame;
    const FrameCount done = Step(*map_, frame, left, request, account);
    if (done.raw() == 0) {
      ++account.split_enomem;
      return CpaOutcome::kNoMemory;
    }
    if (with_image && image_ != nullptr) {
      ChangeAliases(frame, done, /*in_direct_map=*/true, /*in_image=*/false, request, account);
    }
    frame = frame + done;
  }
  return CpaOutcome::kDone;
}

template <typename Map, typename Request>
bool AttributeChanger::Flush(const Map& map, const Request& request, CpaOutcome outcome, EventCounters& account) {
  if (!request.flush || !changed_) return false;
  // A new memory type: lines of the old one must leave the caches. The way back to WB needs nothing.
  const bool cache = (request.set.raw() & kCacheMode.raw()) != 0;
  if (outcome == CpaOutcome::kNoMemory || (cache && !rules_.clflush)) {
    // cpa_flush_all: WBINVD on the way.
    flushes_.FlushAll(account);
    if (cache) ++account.cache_flushes_all;
    return outcome == CpaOutcome::kDone;
  }
  if (force_flush_all_) {
    flushes_.FlushAll(account);
  } else {
    flushes_.FlushRange(request.range.count(), account);
  }
  if (cache) account.cache_flush_pages += PresentPages(map, request.range);
  return true;
}

template <typename Map, typename Page, typename Request>
FrameCount AttributeChanger::Step(Map& map, Page first, FrameCount remaining, const Request& request,
                                  EventCounters& account) {
  for (;;) {
    const auto leaf = map.Lookup(first);
    if (!leaf.has_value()) return FrameCount(1);  // holes are expected, and skipped a page at a time
    const FrameCount size = FramesOf(leaf->level);
    const FrameCount covered = std::min(remaining, leaf->first + size - first);
    const EntryFlags flags = Changed(leaf->flags, request.set, request.clear);
    const bool same = flags == leaf->flags;
    const bool whole = covered == size;
    if (leaf->level != MapLevel::k4K && !request.force_4k) CountCheck(leaf->level, same, whole);
    if (leaf->level == MapLevel::k4K) ++stats_.pages_4k_set;
    if (leaf->level == MapLevel::k4K || (!request.force_4k && (same || whole))) {
      if (same) return covered;
      map.SetFlags(first, flags);
      ++account.entries_written;
      changed_ = true;
      AfterWrite(map, first, leaf->level, account);
      return covered;
    }
    if (!Split(map, *leaf, account)) return FrameCount(0);
  }
}

// An entry that is not present loses GLOBAL, which means something else there (pgprot_clear_protnone_bits); making it
// present again does not bring it back.
EntryFlags AttributeChanger::Changed(EntryFlags old, EntryFlags set, EntryFlags clear) const {
  EntryFlags flags = old.Without(clear).With(set);
  if (!flags.Has(EntryFlags::kPresent)) return flags.Without(EntryFlags(EntryFlags::kGlobal));
  if (rules_.restore_global && !old.Has(EntryFlags::kPresent)) flags = flags.With(EntryFlags(EntryFlags::kGlobal));
  if (rules_.restore_dirty && flags.Has(EntryFlags::kWritable)) flags = flags.With(EntryFlags(EntryFlags::kDirty));
  return flags;
}

void AttributeChanger::CountCheck(MapLevel level, bool same, bool whole) {
  CpaStats::Level& stats = level == MapLevel::k1G ? stats_.gib : stats_.pmd;
  ++stats.checked;
  if (same) {
    ++stats.sameprot;
  } else if (whole) {
    ++stats.preserved;
  }
}

std::optional<FrameNumber> AttributeChanger::TakeTable(MapLevel level, FrameNumber first) {
  const bool changed = changed_;
  const bool force_flush_all = force_flush_all_;
  const std::optional<FrameNumber> table = tables_->TakeTable(level, first);
  changed_ = changed;
  force_flush_all_ = force_flush_all;
  return table;
}

bool AttributeChanger::Split(DirectMap& map, const DirectMap::Leaf& leaf, EventCounters& account) {
  const std::optional<FrameNumber> table = TakeTable(leaf.level, leaf.first);
  if (!table.has_value()) return false;
  if (map.Lookup(leaf.first)->level != leaf.level) {  // somebody else split it while there was no lock
    tables_->ReturnTable(*table);
    return true;
  }
  const bool is_2m = leaf.level == MapLevel::k2M;
  ++account.table_pages;
  if (is_2m && table->AlignedDown(kFramesPer2M) == leaf.first) ++account.table_pages_in_split_block;
  ++(is_2m ? account.splits_2m : account.splits_1g);
  map.Split(leaf.first, leaf.flags, *table);
  counters_->OnSplit(leaf.level);
  if (observer_ != nullptr) observer_->OnSplit(leaf.level, leaf.first);
  flushes_.FlushAll(account);
  return true;
}

bool AttributeChanger::Split(VirtualMap& map, const VirtualMap::Leaf& leaf, EventCounters& account) {
  const std::optional<FrameNumber> table = TakeTable(leaf.level, leaf.frame);
  if (!table.has_value()) return false;
  ++account.table_pages;
  ++account.vmalloc_splits_2m;
  map.Split(leaf.first, leaf.flags, *table);
  // virt_addr_valid holds for addresses of the image, so the kernel counts them as if they were the direct map's.
  if (map.kind() == VirtualMap::Kind::kKernelImage) counters_->OnSplit(leaf.level);
  flushes_.FlushAll(account);
  return true;
}

void AttributeChanger::AfterWrite(DirectMap&, FrameNumber frame, MapLevel level, EventCounters& account) {
  if (rules_.collapse != CollapseDesign::kWhenUniform || level == MapLevel::k1G) return;
  bool any = false;
  if (level == MapLevel::k4K) {
    any = TryCollapse(frame, MapLevel::k2M, account);
    if (!any) return;
  }
  any = TryCollapse(frame, MapLevel::k1G, account) || any;
  if (any) flushes_.FlushAll(account);
}

uint64_t AttributeChanger::Collapse(FrameRange range, EventCounters& account) {
  uint64_t made = 0;
  const FrameNumber end = std::min(range.end, map_->end());
  for (FrameNumber block = range.first.AlignedDown(kFramesPer2M); block < end; block = block + kFramesPer2M) {
    if (!TryCollapse(block, MapLevel::k2M, account)) continue;
    ++made;
    TryCollapse(block, MapLevel::k1G, account);
  }
  if (made > 0) flushes_.FlushAll(account);
  return made;
}

bool AttributeChanger::TryCollapse(FrameNumber frame, MapLevel level, EventCounters& account) {
  if (!MayCollapse(map_->UniformFlags(frame, level))) return false;
  const FrameNumber table = map_->Collapse(frame, level);
  if (table != DirectMap::kNoFrame) tables_->ReturnTable(table);
  counters_->OnCollapse(level);
  ++(level == MapLevel::k2M ? account.collapses_2m : account.collapses_1g);
  if (observer_ != nullptr) observer_->OnCollapse(level, frame.AlignedDown(FramesOf(level)));
  return true;
}

bool AttributeChanger::TryCollapse(VirtualMap& mapping, VirtualPage page, EventCounters& account) {
  if (!MayCollapse(mapping.UniformFlags(page))) return false;
  const FrameNumber table = mapping.Collapse(page);
  if (table != VirtualMap::kNoFrame) tables_->ReturnTable(table);
  if (mapping.kind() == VirtualMap::Kind::kKernelImage) counters_->OnCollapse(MapLevel::k2M);
  ++account.vmalloc_collapses_2m;
  return true;
}

}  // namespace dmfrag::model
