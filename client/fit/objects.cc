#include "client/fit/objects.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>

namespace dmfrag::client {
namespace {

// Objects of one key that may still grow; older ones are closed first.
constexpr size_t kMostOpen = 32;

// An object that may still grow.
struct OpenObject {
  uint64_t blocks = 0;
  uint64_t first_start_us = 0;
  uint64_t last_start_us = 0;
  uint64_t first_end_us = 0;  // of those that ended
  uint64_t last_end_us = 0;
  unsigned __int128 start_sum = 0;
  unsigned __int128 end_sum = 0;
  bool ended = false;

  bool Takes(const BlockLife& block, uint64_t gap_us) const {
    if (block.start_us > last_start_us + gap_us || block.end_us.has_value() != ended) return false;
    return !ended || (*block.end_us + gap_us >= first_end_us && *block.end_us <= last_end_us + gap_us);
  }

  void Add(const BlockLife& block) {
    const uint64_t end = block.end_us.value_or(0);
    if (blocks == 0) {
      first_start_us = block.start_us;
      first_end_us = last_end_us = end;
      ended = block.end_us.has_value();
    }
    ++blocks;
    last_start_us = block.start_us;
    first_end_us = std::min(first_end_us, end);
    last_end_us = std::max(last_end_us, end);
    start_sum += block.start_us;
    end_sum += end;
  }

  FitObject Close(const ObjectKey& key) const {
    FitObject object{.key = key, .blocks = blocks, .start_us = static_cast<uint64_t>(start_sum / blocks), .end_us = {}};
    if (ended) object.end_us = static_cast<uint64_t>(end_sum / blocks);
    return object;
  }
};

}  // namespace

uint64_t ObjectGapUs(uint64_t duration_us) { return std::clamp<uint64_t>(duration_us / 1000, 100, 100'000); }

std::vector<FitObject> FindObjects(const BlockLives& lives, uint64_t gap_us) {
  std::vector<FitObject> objects;
  std::map<ObjectKey, std::deque<OpenObject>> open;
  for (const BlockLife& block : lives.blocks) {
    const ObjectKey key{.user = block.user, .order = block.order, .migratetype = block.migratetype};
    std::deque<OpenObject>& candidates = open[key];
    const auto taker = std::find_if(candidates.begin(), candidates.end(),
                                    [&](const OpenObject& object) { return object.Takes(block, gap_us); });
    if (taker != candidates.end()) {
      taker->Add(block);
      continue;
    }
    if (candidates.size() == kMostOpen) {
      objects.push_back(candidates.front().Close(key));
      candidates.pop_front();
    }
    candidates.emplace_back().Add(block);
  }
  for (const auto& [key, rest] : open) {
    for (const OpenObject& object : rest) objects.push_back(object.Close(key));
  }
  std::stable_sort(objects.begin(), objects.end(),
                   [](const FitObject& a, const FitObject& b) { return a.start_us < b.start_us; });
  return objects;
}

}  // namespace dmfrag::client
