#include "worker/workload/random.h"

namespace dmfrag::workload {

// The high half of a 128-bit product is uniform once the draws that would make some values likelier are rejected.
uint64_t Random::Below(uint64_t limit) {
  const uint64_t reject_below = (0 - limit) % limit;  // 2^64 mod limit
  for (;;) {
    const unsigned __int128 product = static_cast<unsigned __int128>(Next()) * limit;
    if (static_cast<uint64_t>(product) >= reject_below) return static_cast<uint64_t>(product >> 64);
  }
}

Random Random::Derive(std::string_view name) const {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, 64 bits
  for (const char c : name) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  // Two rounds of SplitMix64 keep streams of near seeds and near names apart.
  Random mixer(seed_);
  Random mixed(mixer.Next() ^ hash);
  return Random(mixed.Next());
}

}  // namespace dmfrag::workload
