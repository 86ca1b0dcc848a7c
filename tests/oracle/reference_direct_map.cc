#include "tests/oracle/reference_direct_map.h"

#include <algorithm>

namespace dmfrag::tests {
namespace {

using model::EntryFlags;
using model::MapLevel;

uint64_t Size(MapLevel level) { return level == MapLevel::k1G ? 262144 : level == MapLevel::k2M ? 512 : 1; }

}  // namespace

ReferenceDirectMap::ReferenceDirectMap(const model::DirectMap& map) : pages_(map.end().raw()) {
  for (uint64_t i = 0; i < pages_.size(); ++i) {
    const auto leaf = map.Lookup(model::FrameNumber(i));
    if (leaf.has_value()) pages_[i] = {true, leaf->level, leaf->flags};
  }
}

bool ReferenceDirectMap::Split(uint64_t page) {
  if (tables_left == 0) return false;
  --tables_left;
  const MapLevel level = pages_[page].level;
  ++(level == MapLevel::k1G ? splits_1g : splits_2m);
  const uint64_t first = page / Size(level) * Size(level);
  for (uint64_t i = first; i < first + Size(level); ++i) {
    pages_[i].level = level == MapLevel::k1G ? MapLevel::k2M : MapLevel::k4K;
  }
  return true;
}

bool ReferenceDirectMap::Change(const model::AttributeRequest& request) {
  if (request.set.empty() && request.clear.empty() && !request.force_4k) return true;
  const uint64_t end = std::min<uint64_t>(request.range.end.raw(), pages_.size());
  bool changed = false;
  for (uint64_t i = request.range.first.raw(); i < end;) {
    const Page old = pages_[i];
    if (!old.mapped) {
      ++i;
      continue;
    }
    EntryFlags flags = old.flags.Without(request.clear).With(request.set);
    if (!flags.Has(EntryFlags::kPresent)) flags = flags.Without(EntryFlags(EntryFlags::kGlobal));
    const uint64_t size = Size(old.level);
    const uint64_t entry_end = i / size * size + size;
    const bool whole = i % size == 0 && entry_end <= end && (size == 1 || !request.array);
    const bool keep = size == 1 || (!request.force_4k && (whole || flags == old.flags));
    if (!keep) {
      if (!Split(i)) return false;
      continue;
    }
    if (flags != old.flags) {
      changed = true;
      for (uint64_t j = i; j < entry_end; ++j) pages_[j].flags = flags;
    }
    i = request.array ? i + 1 : std::min(entry_end, end);
  }
  if (!request.collapse || !request.flush || !changed) return true;
  for (uint64_t first = request.range.first.raw() / 512 * 512; first < end; first += 512) {
    if (!Collapse(first, MapLevel::k4K, MapLevel::k2M)) continue;
    ++collapses_2m;
    if (Collapse(first / 262144 * 262144, MapLevel::k2M, MapLevel::k1G)) ++collapses_1g;
  }
  return true;
}

bool ReferenceDirectMap::Collapse(uint64_t first, MapLevel from, MapLevel to) {
  const Page& example = pages_[first];
  if (example.level != from || !example.mapped || !example.flags.Has(EntryFlags::kPresent) ||
      example.flags.Has(EntryFlags::kKernel4K)) {
    return false;
  }
  for (uint64_t i = first; i < first + Size(to); ++i) {
    if (!(pages_[i] == example)) return false;
  }
  for (uint64_t i = first; i < first + Size(to); ++i) pages_[i].level = to;
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
