#include "tests/oracle/reference_direct_map.h"

#include <algorithm>
#include <optional>

namespace dmfrag::tests {
namespace {

using model::CpaOutcome;
using model::EntryFlags;
using model::FrameNumber;
using model::MapLevel;

constexpr EntryFlags kNoExecute(EntryFlags::kNoExecute);

uint64_t Size(MapLevel level) { return level == MapLevel::k1G ? 262144 : level == MapLevel::k2M ? 512 : 1; }

MapLevel Below(MapLevel level) { return level == MapLevel::k1G ? MapLevel::k2M : MapLevel::k4K; }

uint64_t BlockOf(uint64_t page, MapLevel level) { return page / Size(level) * Size(level); }

ReferenceDirectMap::Page* PageAt(ReferenceDirectMap::Mapping& mapping, uint64_t page) {
  if (page < mapping.first || page >= mapping.first + mapping.pages.size()) return nullptr;
  ReferenceDirectMap::Page& found = mapping.pages[page - mapping.first];
  return found.mapped ? &found : nullptr;
}

const ReferenceDirectMap::Page* PageAt(const ReferenceDirectMap::Mapping& mapping, uint64_t page) {
  return PageAt(const_cast<ReferenceDirectMap::Mapping&>(mapping), page);
}

bool ChangesMemoryType(EntryFlags set) {
  return set.Has(EntryFlags::kWriteThrough) || set.Has(EntryFlags::kCacheDisable) || set.Has(EntryFlags::kPat);
}

}  // namespace

ReferenceDirectMap::ReferenceDirectMap(const std::vector<model::LeafRun>& runs,
                                       const model::DirectMapCounters& counters, uint32_t cpus,
                                       const model::CpaRules& rules, model::TablePageSource* tables)
    : other_cpus_(cpus - 1), rules_(rules), tables_(tables), counters_(counters) {
  direct_.pages.resize(runs.empty() ? 0 : (runs.back().first + runs.back().frames).raw());
  for (const model::LeafRun& run : runs) {
    const uint64_t first = run.first.raw();
    for (uint64_t i = first; i < first + run.frames.raw(); ++i) direct_.pages[i] = {true, run.level, run.flags, i};
  }
}

CpaOutcome ReferenceDirectMap::Change(const model::AttributeRequest& request) {
  ++events_.cpa_requests;
  return Perform(direct_, request);
}

CpaOutcome ReferenceDirectMap::Change(Mapping& mapping, const model::VirtualAttributeRequest& request) {
  return Perform(mapping, request);
}

template <typename Request>
CpaOutcome ReferenceDirectMap::Perform(Mapping& mapping, const Request& request) {
  const Ask ask = {
      request.range.first.raw(), request.range.end.raw(), request.set, request.clear, request.force_4k, request.array};
  if (ask.set.empty() && ask.clear.empty() && !ask.force_4k) return CpaOutcome::kDone;
  const bool nx_alone = ask.set.With(ask.clear) == kNoExecute;
  const Progress progress = Walk(mapping, ask, request.check_alias && !(rules_.skip_alias_of_nx && nx_alone));
  const CpaOutcome outcome = progress.out_of_memory ? CpaOutcome::kNoMemory : CpaOutcome::kDone;
  if (!request.flush || !Flush(mapping, ask, progress)) return outcome;
  if (request.collapse && rules_.collapse == model::CollapseDesign::kOnRox) CollapseBlocks(mapping, ask.first, ask.end);
  return outcome;
}

void ReferenceDirectMap::CollapseBlocks(model::FrameRange range) {
  CollapseBlocks(direct_, range.first.raw(), range.end.raw());
}

void ReferenceDirectMap::CollapseBlocks(Mapping& mapping, uint64_t first, uint64_t end) {
  bool any = false;
  end = std::min(end, mapping.first + mapping.pages.size());
  for (uint64_t block = BlockOf(first, MapLevel::k2M); block < end; block += 512) {
    if (!Collapse(mapping, block, MapLevel::k2M)) continue;
    any = true;
    Collapse(mapping, block, MapLevel::k1G);
  }
  if (any) FlushAll();
}

ReferenceDirectMap::Progress ReferenceDirectMap::Walk(Mapping& mapping, const Ask& ask, bool check_alias) {
  Progress progress;
  const uint64_t end = std::min(ask.end, mapping.first + mapping.pages.size());
  for (uint64_t page = std::max(ask.first, mapping.first); page < end;) {
    const Done done = Step(mapping, page, ask.array ? 1 : end - page, ask);
    if (done.pages == 0) {
      ++events_.split_enomem;
      progress.out_of_memory = true;
      return progress;
    }
    progress.changed = progress.changed || done.wrote;
    // A hole of the direct map is at the frame of its number; elsewhere a hole shows none.
    const Page* shown = PageAt(mapping, page);
    if (check_alias && (shown != nullptr || mapping.kind == Mapping::Kind::kDirectMap)) {
      const Progress alias = Aliases(mapping, shown == nullptr ? page : shown->frame, done.pages, ask);
      progress.alias_asked = progress.alias_asked || alias.alias_asked;
      progress.out_of_memory = alias.out_of_memory;
      if (alias.out_of_memory) return progress;
    }
    page += done.pages;
  }
  return progress;
}

ReferenceDirectMap::Progress ReferenceDirectMap::Aliases(const Mapping& mapping, uint64_t frame, uint64_t pages,
                                                         const Ask& ask) {
  Progress progress;
  Ask alias = {frame, frame + pages, ask.set.Without(kNoExecute), ask.clear.Without(kNoExecute), ask.force_4k};
  if (mapping.kind != Mapping::Kind::kDirectMap) {
    progress.alias_asked = true;
    ++events_.cpa_requests;
    const bool nothing = alias.set.empty() && alias.clear.empty() && !alias.force_4k;
    if (!nothing) progress.out_of_memory = Walk(direct_, alias, /*check_alias=*/false).out_of_memory;
    if (progress.out_of_memory) return progress;
  }
  if (mapping.kind == Mapping::Kind::kKernelImage || image.pages.empty()) return progress;
  const uint64_t first_frame = image.pages.front().frame;
  const uint64_t from = std::max(frame, first_frame);
  const uint64_t to = std::min(frame + pages, first_frame + image.pages.size());
  if (from >= to) return progress;
  progress.alias_asked = true;
  // How it ends is ignored, and it is no request of a caller's.
  const int64_t enomem = events_.split_enomem;
  alias.first = image.first + (from - first_frame);
  alias.end = image.first + (to - first_frame);
  Walk(image, alias, /*check_alias=*/false);
  events_.split_enomem = enomem;
  return progress;
}

ReferenceDirectMap::Done ReferenceDirectMap::Step(Mapping& mapping, uint64_t page, uint64_t left, const Ask& ask) {
  for (;;) {
    const Page* old = PageAt(mapping, page);
    if (old == nullptr) return {.pages = 1};
    const MapLevel level = old->level;
    const uint64_t entry = BlockOf(page, level);
    const uint64_t covered = std::min(left, entry + Size(level) - page);
    const EntryFlags flags = NewFlags(old->flags, ask);
    const bool same = flags == old->flags;
    const bool whole = covered == Size(level);
    if (level == MapLevel::k4K) ++stats_.pages_4k_set;
    if (level != MapLevel::k4K && !ask.force_4k) {
      auto& stats = level == MapLevel::k1G ? stats_.gib : stats_.pmd;
      ++stats.checked;
      if (same) ++stats.sameprot;
      if (!same && whole) ++stats.preserved;
    }
    if (level != MapLevel::k4K && (ask.force_4k || (!same && !whole))) {
      if (!Split(mapping, page)) return {};
      continue;
    }
    if (same) return {.pages = covered};
    ++events_.entries_written;
    for (uint64_t i = entry; i < entry + Size(level); ++i) mapping.pages[i - mapping.first].flags = flags;
    if (rules_.collapse == model::CollapseDesign::kWhenUniform && mapping.kind == Mapping::Kind::kDirectMap) {
      bool any = level == MapLevel::k4K && Collapse(mapping, page, MapLevel::k2M);
      if (level == MapLevel::k2M || any) any = Collapse(mapping, page, MapLevel::k1G) || any;
      if (any) FlushAll();
    }
    return {.pages = covered, .wrote = true};
  }
}

EntryFlags ReferenceDirectMap::NewFlags(EntryFlags old, const Ask& ask) const {
  EntryFlags flags = old.Without(ask.clear).With(ask.set);
  if (!flags.Has(EntryFlags::kPresent)) return flags.Without(EntryFlags(EntryFlags::kGlobal));
  if (rules_.restore_global && !old.Has(EntryFlags::kPresent)) flags = flags.With(EntryFlags(EntryFlags::kGlobal));
  if (rules_.restore_dirty && flags.Has(EntryFlags::kWritable)) flags = flags.With(EntryFlags(EntryFlags::kDirty));
  return flags;
}

bool ReferenceDirectMap::Flush(const Mapping& mapping, const Ask& ask, const Progress& progress) {
  if (!progress.changed) return false;
  const bool cache = ChangesMemoryType(ask.set);
  if (progress.out_of_memory || (cache && !rules_.clflush)) {
    FlushAll();
    events_.cache_flushes_all += cache ? 1 : 0;
    return !progress.out_of_memory;
  }
  if (progress.alias_asked || ask.end - ask.first > 33) {
    FlushAll();
  } else {
    ++events_.flushes_range;
    events_.flush_ipis += other_cpus_;
  }
  const uint64_t end = std::min(ask.end, mapping.first + mapping.pages.size());
  for (uint64_t page = ask.first; cache && page < end; ++page) {
    const Page* shown = PageAt(mapping, page);
    if (shown != nullptr && shown->flags.Has(EntryFlags::kPresent)) ++events_.cache_flush_pages;
  }
  return true;
}

void ReferenceDirectMap::FlushAll() {
  ++events_.flushes_all;
  events_.flush_ipis += other_cpus_;
}

bool ReferenceDirectMap::Split(Mapping& mapping, uint64_t page) {
  const MapLevel level = PageAt(mapping, page)->level;
  const uint64_t first = BlockOf(page, level);
  const uint64_t first_frame = PageAt(mapping, first)->frame;
  const std::optional<FrameNumber> table = tables_->TakeTable(level, FrameNumber(first_frame));
  if (!table.has_value()) return false;
  for (uint64_t i = first; i < first + Size(level); ++i) PageAt(mapping, i)->level = Below(level);
  (level == MapLevel::k1G ? mapping.tables_of_1g : mapping.tables_of_2m)[first] = *table;
  ++events_.table_pages;
  FlushAll();
  if (mapping.kind != Mapping::Kind::kDirectMap) {
    ++events_.vmalloc_splits_2m;
    if (mapping.kind == Mapping::Kind::kVmalloc) return true;
  } else if (level == MapLevel::k1G) {
    ++events_.splits_1g;
  } else {
    ++events_.splits_2m;
    if (first <= table->raw() && table->raw() < first + 512) ++events_.table_pages_in_split_block;
  }
  if (level == MapLevel::k1G) {
    ++counters_.level3_splits;
    if (counters_.pages_1g > 0) {
      counters_.pages_1g -= 1;
      counters_.pages_2m += 512;
    }
  } else {
    ++counters_.level2_splits;
    if (counters_.pages_2m > 0) {
      counters_.pages_2m -= 1;
      counters_.pages_4k += 512;
    }
  }
  return true;
}

bool ReferenceDirectMap::Uniform(const Mapping& mapping, uint64_t page, MapLevel level) const {
  const uint64_t first = BlockOf(page, level);
  const Page* example = PageAt(mapping, first);
  if (example == nullptr || example->level != Below(level)) return false;
  if (example->frame % Size(level) != 0) return false;
  for (uint64_t i = 0; i < Size(level); ++i) {
    const Page* other = PageAt(mapping, first + i);
    if (other == nullptr || other->level != example->level || other->flags != example->flags ||
        other->frame != example->frame + i) {
      return false;
    }
  }
  return true;
}

bool ReferenceDirectMap::Collapse(Mapping& mapping, uint64_t page, MapLevel to) {
  if (to == MapLevel::k1G && mapping.kind != Mapping::Kind::kDirectMap) return false;
  if (!Uniform(mapping, page, to)) return false;
  const uint64_t first = BlockOf(page, to);
  const EntryFlags flags = PageAt(mapping, first)->flags;
  if (!flags.Has(EntryFlags::kPresent) || flags.Has(EntryFlags::kKernel4K)) return false;
  for (uint64_t i = first; i < first + Size(to); ++i) PageAt(mapping, i)->level = to;
  auto& tables = to == MapLevel::k1G ? mapping.tables_of_1g : mapping.tables_of_2m;
  // Tables that were there at the start are not known.
  if (const auto table = tables.extract(first); !table.empty()) tables_->ReturnTable(table.mapped());
  if (mapping.kind != Mapping::Kind::kDirectMap) {
    ++events_.vmalloc_collapses_2m;
    if (mapping.kind == Mapping::Kind::kVmalloc) return true;
  } else {
    ++(to == MapLevel::k1G ? events_.collapses_1g : events_.collapses_2m);
  }
  if (to == MapLevel::k1G) {
    ++counters_.level3_collapses;
    counters_.pages_1g += 1;
    counters_.pages_2m -= 512;
  } else {
    ++counters_.level2_collapses;
    counters_.pages_2m += 1;
    counters_.pages_4k -= 512;
  }
  return true;
}

}  // namespace dmfrag::tests
