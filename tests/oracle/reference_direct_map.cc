#include "tests/oracle/reference_direct_map.h"

#include <algorithm>
#include <optional>

namespace dmfrag::tests {
namespace {

using model::AttributeRequest;
using model::CpaOutcome;
using model::EntryFlags;
using model::FrameNumber;
using model::MapLevel;

uint64_t Size(MapLevel level) { return level == MapLevel::k1G ? 262144 : level == MapLevel::k2M ? 512 : 1; }

MapLevel Below(MapLevel level) { return level == MapLevel::k1G ? MapLevel::k2M : MapLevel::k4K; }

EntryFlags NewFlags(EntryFlags old, const AttributeRequest& request) {
  EntryFlags flags = old.Without(request.clear).With(request.set);
  if (!flags.Has(EntryFlags::kPresent)) flags = flags.Without(EntryFlags(EntryFlags::kGlobal));
  return flags;
}

}  // namespace

ReferenceDirectMap::ReferenceDirectMap(const std::vector<model::LeafRun>& runs,
                                       const model::DirectMapCounters& counters, uint32_t cpus,
                                       model::TablePageSource* tables)
    : other_cpus_(cpus - 1), tables_(tables), counters_(counters) {
  pages_.resize(runs.empty() ? 0 : (runs.back().first + runs.back().frames).raw());
  for (const model::LeafRun& run : runs) {
    for (uint64_t i = 0; i < run.frames.raw(); ++i) pages_[run.first.raw() + i] = {true, run.level, run.flags};
  }
}

void ReferenceDirectMap::FlushAll() {
  ++events_.flushes_all;
  events_.flush_ipis += other_cpus_;
}

bool ReferenceDirectMap::Split(uint64_t page) {
  const MapLevel level = pages_[page].level;
  const uint64_t first = page / Size(level) * Size(level);
  const std::optional<FrameNumber> table = tables_->TakeTable(level, FrameNumber(first));
  if (!table.has_value()) return false;
  for (uint64_t i = first; i < first + Size(level); ++i) pages_[i].level = Below(level);
  ++events_.table_pages;
  FlushAll();
  if (level == MapLevel::k1G) {
    tables_of_1g_[first] = *table;
    ++events_.splits_1g;
    ++counters_.level3_splits;
    if (counters_.pages_1g > 0) {
      counters_.pages_1g -= 1;
      counters_.pages_2m += 512;
    }
  } else {
    tables_of_2m_[first] = *table;
    if (first <= table->raw() && table->raw() < first + 512) ++events_.table_pages_in_split_block;
    ++events_.splits_2m;
    ++counters_.level2_splits;
    if (counters_.pages_2m > 0) {
      counters_.pages_2m -= 1;
      counters_.pages_4k += 512;
    }
  }
  return true;
}

ReferenceDirectMap::Walk ReferenceDirectMap::ChangePages(const AttributeRequest& request, uint64_t end) {
  Walk walk;
  for (uint64_t i = request.range.first.raw(); i < end;) {
    const Page old = pages_[i];
    if (!old.mapped) {
      ++i;
      continue;
    }
    const EntryFlags flags = NewFlags(old.flags, request);
    const uint64_t size = Size(old.level);
    const uint64_t entry_end = i / size * size + size;
    const bool whole = i % size == 0 && entry_end <= end && (size == 1 || !request.array);
    const bool keep = size == 1 || (!request.force_4k && (whole || flags == old.flags));
    if (!keep) {
      if (Split(i)) continue;
      walk.out_of_memory = true;
      return walk;
    }
    if (flags != old.flags) {
      walk.changed = true;
      ++events_.entries_written;
      for (uint64_t j = i; j < entry_end; ++j) pages_[j].flags = flags;
    }
    i = request.array ? i + 1 : std::min(entry_end, end);
  }
  return walk;
}

CpaOutcome ReferenceDirectMap::Change(const AttributeRequest& request) {
  ++events_.cpa_requests;
  if (request.set.empty() && request.clear.empty() && !request.force_4k) return CpaOutcome::kDone;
  const uint64_t end = std::min<uint64_t>(request.range.end.raw(), pages_.size());
  const Walk walk = ChangePages(request, end);
  if (walk.out_of_memory) ++events_.split_enomem;
  const CpaOutcome outcome = walk.out_of_memory ? CpaOutcome::kNoMemory : CpaOutcome::kDone;
  if (!walk.changed || !request.flush) return outcome;
  if (walk.out_of_memory || request.range.count().raw() > 33) {
    FlushAll();
  } else {
    ++events_.flushes_range;
    events_.flush_ipis += other_cpus_;
  }
  if (walk.out_of_memory || !request.collapse) return outcome;
  bool any = false;
  for (uint64_t first = request.range.first.raw() / 512 * 512; first < end; first += 512) {
    if (!Collapse(first, MapLevel::k2M)) continue;
    any = true;
    Collapse(first / 262144 * 262144, MapLevel::k1G);
  }
  if (any) FlushAll();
  return outcome;
}

bool ReferenceDirectMap::Uniform(uint64_t first, MapLevel level) const {
  if (first + Size(level) > pages_.size()) return false;
  const Page& example = pages_[first];
  if (!example.mapped || example.level != Below(level)) return false;
  for (uint64_t i = first; i < first + Size(level); ++i) {
    if (pages_[i] != example) return false;
  }
  return true;
}

bool ReferenceDirectMap::Collapse(uint64_t first, MapLevel to) {
  if (!Uniform(first, to)) return false;
  const EntryFlags flags = pages_[first].flags;
  if (!flags.Has(EntryFlags::kPresent) || flags.Has(EntryFlags::kKernel4K)) return false;
  for (uint64_t i = first; i < first + Size(to); ++i) pages_[i].level = to;
  auto& tables = to == MapLevel::k1G ? tables_of_1g_ : tables_of_2m_;
  // Tables that were there at the start are not known.
  if (const auto table = tables.extract(first); !table.empty()) tables_->ReturnTable(table.mapped());
  if (to == MapLevel::k1G) {
    ++events_.collapses_1g;
    ++counters_.level3_collapses;
    counters_.pages_1g += 1;
    counters_.pages_2m -= 512;
  } else {
    ++events_.collapses_2m;
    ++counters_.level2_collapses;
    counters_.pages_2m += 1;
    counters_.pages_4k -= 512;
  }
  return true;
}

model::LeafCounts ReferenceDirectMap::Counts() const {
  model::LeafCounts pages;
  for (const Page& page : pages_) {
    if (!page.mapped) continue;
    ++(page.level == MapLevel::k1G ? pages.pages_1g : page.level == MapLevel::k2M ? pages.pages_2m : pages.pages_4k);
  }
  pages.pages_2m /= 512;
  pages.pages_1g /= 262144;
  return pages;
}

}  // namespace dmfrag::tests
