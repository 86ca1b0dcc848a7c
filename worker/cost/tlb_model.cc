#include "worker/cost/tlb_model.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace dmfrag::cost {
namespace {

using Wide = unsigned __int128;

constexpr int64_t kMillion = 1'000'000;
constexpr int64_t kPage4K = int64_t{4} << 10;
constexpr int64_t kPage2M = int64_t{2} << 20;
constexpr int64_t kPage1G = int64_t{1} << 30;
constexpr int64_t kLineBytes = 64;
constexpr int64_t kEntriesPerLine = 8;

enum class Size : uint8_t { k4K, k2M, k1G };

bool Holds(const TlbArray& array, Size size) {
  return size == Size::k4K ? array.holds.k4K : size == Size::k2M ? array.holds.k2M : array.holds.k1G;
}

// Pages of one size and one set.
struct PageClass {
  Size size = Size::k4K;
  int64_t pages = 0;        // translations in use
  int64_t visits = 0;       // per million cycles
  int64_t pieces_2m = 0;    // the same memory in 2M pieces
  int64_t table_bytes = 0;  // lines of last-level page tables in use
};

// How many of `boxes` are not empty after `balls` fell into them at random: boxes * (1 - (1 - 1/boxes)^balls), with
// the power in 62 binary places.
int64_t Occupied(int64_t balls, int64_t boxes) {
  if (balls <= 0 || boxes <= 0) return 0;
  if (boxes == 1) return 1;
  constexpr int kPlaces = 62;
  constexpr Wide kOne = Wide{1} << kPlaces;
  Wide base = kOne - kOne / static_cast<Wide>(boxes);
  Wide power = kOne;
  for (int64_t left = balls; left > 0; left >>= 1) {
    if (left & 1) power = power * base >> kPlaces;
    base = base * base >> kPlaces;
  }
  const auto occupied = static_cast<int64_t>(static_cast<Wide>(boxes) * (kOne - power) >> kPlaces);
  return std::clamp<int64_t>(occupied, 1, std::min(balls, boxes));
}

// The part of a kernel set that one page size maps.
PageClass KernelClass(Size size, int64_t page_bytes, int64_t mapped, int64_t total, int64_t set_pages, int64_t visits) {
  PageClass out{.size = size};
  if (mapped == 0) return out;
  const int64_t touched = MultiplyDivide(set_pages, mapped, total);
  if (touched == 0) return out;
  const int64_t entries = std::max<int64_t>(1, mapped / page_bytes);
  out.visits = MultiplyDivide(visits, mapped, total);
  out.pages = Occupied(touched, entries);
  out.pieces_2m = size == Size::k1G ? Occupied(touched, std::max<int64_t>(1, mapped / kPage2M)) : out.pages;
  out.table_bytes = Occupied(touched, std::max<int64_t>(1, entries / kEntriesPerLine)) * kLineBytes;
  return out;
}

// User memory is contiguous in its own address space.
PageClass UserClass(Size size, int64_t page_bytes, const WorkingSet& set, Bound bound) {
  PageClass out{.size = size};
  out.pages = set.bytes.at(bound) / page_bytes;
  out.pieces_2m = out.pages;
  out.visits = out.pages == 0 ? 0 : set.visits_per_million_cycles.at(bound);
  out.table_bytes = (out.pages + kEntriesPerLine - 1) / kEntriesPerLine * kLineBytes;
  return out;
}

std::vector<PageClass> ClassesOf(const PageSizeMix& mix, const WorkingSets& sets, Bound bound) {
  std::vector<PageClass> classes;
  const auto add = [&](const PageClass& one) {
    if (one.pages > 0 && one.visits > 0) classes.push_back(one);
  };
  const int64_t total = mix.TotalBytes();
  for (const WorkingSet* set : {&sets.kernel_hot, &sets.kernel_cold}) {
    const int64_t pages = std::min(set->bytes.at(bound), total) / kPage4K;
    const int64_t visits = set->visits_per_million_cycles.at(bound);
    add(KernelClass(Size::k4K, kPage4K, mix.bytes_4k, total, pages, visits));
    add(KernelClass(Size::k2M, kPage2M, mix.bytes_2m, total, pages, visits));
    add(KernelClass(Size::k1G, kPage1G, mix.bytes_1g, total, pages, visits));
  }
  add(UserClass(Size::k4K, kPage4K, sets.user_4k, bound));
  add(UserClass(Size::k2M, kPage2M, sets.user_2m, bound));
  return classes;
}

// What competes for an array.
struct Competitor {
  int64_t pages = 0;
  int64_t visits = 0;
};

// Characteristic times are in units of 2^-20 of a million cycles.
constexpr int kTimePlaces = 20;

constexpr int64_t kForEver = -1;

// r T / (n + r T), in millionths. REQUIRES: one.pages > 0.
int64_t HitPpm(const Competitor& one, int64_t time) {
  if (time == kForEver) return kMillion;
  const Wide visited = static_cast<Wide>(one.visits) * static_cast<Wide>(time);
  return static_cast<int64_t>(visited * kMillion / ((static_cast<Wide>(one.pages) << kTimePlaces) + visited));
}

// Millionths of entries that are in use at `time`.
Wide UsedPpm(std::span<const Competitor> competitors, int64_t time) {
  Wide used = 0;
  for (const Competitor& one : competitors) {
    if (one.pages > 0) used += static_cast<Wide>(one.pages) * static_cast<Wide>(HitPpm(one, time));
  }
  return used;
}

// The longest time at which the entries in use do not exceed the capacity; kForEver: everything fits.
int64_t CharacteristicTime(std::span<const Competitor> competitors, int64_t capacity) {
  const Wide most = static_cast<Wide>(capacity) * kMillion;
  if (UsedPpm(competitors, kForEver) <= most) return kForEver;
  int64_t low = 0;
  int64_t high = int64_t{1} << 60;
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (UsedPpm(competitors, middle) <= most ? low : high) = middle;
  }
  return low;
}

// Misses of each class in one level of arrays, in millionths of its visits.
std::vector<int64_t> MissesPpm(std::span<const TlbArray> arrays, const std::vector<PageClass>& classes, bool smashes_1g,
                               Bound bound) {
  const auto size_of = [&](const PageClass& one) { return smashes_1g && one.size == Size::k1G ? Size::k2M : one.size; };
  const auto pages_of = [&](const PageClass& one) { return smashes_1g ? one.pieces_2m : one.pages; };
  std::vector<int64_t> homes(classes.size());
  for (size_t i = 0; i < classes.size(); ++i) {
    for (const TlbArray& array : arrays) homes[i] += Holds(array, size_of(classes[i])) ? 1 : 0;
  }
  std::vector<int64_t> hits(classes.size());
  for (const TlbArray& array : arrays) {
    std::vector<Competitor> competitors(classes.size());
    for (size_t i = 0; i < classes.size(); ++i) {
      if (!Holds(array, size_of(classes[i]))) continue;
      competitors[i] = {(pages_of(classes[i]) + homes[i] - 1) / homes[i],
                        (classes[i].visits + homes[i] - 1) / homes[i]};
    }
    const int64_t time = CharacteristicTime(competitors, array.entries.value.at(bound));
    for (size_t i = 0; i < classes.size(); ++i) {
      if (competitors[i].pages > 0) hits[i] += HitPpm(competitors[i], time) / homes[i];
    }
  }
  for (size_t i = 0; i < classes.size(); ++i) hits[i] = kMillion - hits[i];
  return hits;
}

// What remains of a cache for page tables, in lines.
int64_t LinesFor(const Figure& bytes, const TranslationCosts& costs, Bound bound) {
  const int64_t share = costs.table_share_per_mille.value.at(Opposite(bound));
  return MultiplyDivide(bytes.value.at(bound), share, 1000) / kLineBytes;
}

// Cycles of a walk of each class that are not hidden, by where its last entry is found; the classes share the caches
// as they share the TLB. `walks` are per million cycles.
std::vector<int64_t> WalkCycles(const TranslationCosts& costs, const std::vector<PageClass>& classes,
                                const std::vector<int64_t>& walks, Bound bound) {
  std::vector<Competitor> lines(classes.size());
  for (size_t i = 0; i < classes.size(); ++i) {
    if (walks[i] > 0) lines[i] = {classes[i].table_bytes / kLineBytes, walks[i]};
  }
  const int64_t time_l2 = CharacteristicTime(lines, LinesFor(costs.l2_bytes, costs, bound));
  const int64_t time_l3 = CharacteristicTime(
      lines, AddSaturating(LinesFor(costs.l2_bytes, costs, bound), LinesFor(costs.l3_bytes, costs, bound)));
  std::vector<int64_t> cycles(classes.size());
  for (size_t i = 0; i < classes.size(); ++i) {
    if (walks[i] == 0) continue;
    const int64_t in_l2 = HitPpm(lines[i], time_l2);
    const int64_t in_l3 = std::max(in_l2, HitPpm(lines[i], time_l3)) - in_l2;
    const int64_t in_memory = kMillion - in_l2 - in_l3;
    const int64_t weighted = in_l2 * costs.walk_from_l2.value.at(bound) + in_l3 * costs.walk_from_l3.value.at(bound) +
                             in_memory * costs.walk_from_memory.value.at(bound);
    cycles[i] = MultiplyDivide(weighted, costs.exposed_per_mille.value.at(bound), 1000);  // in millionths
  }
  return cycles;
}

int64_t OverheadPpm(const CpuProfile& profile, const PageSizeMix& mix, const WorkingSets& sets, Bound bound) {
  const std::vector<PageClass> classes = ClassesOf(mix, sets, bound);
  const std::vector<int64_t> level1 = MissesPpm(profile.tlb.level1, classes, false, bound);
  const std::vector<int64_t> level2 = MissesPpm(profile.tlb.level2, classes, profile.tlb.level2_smashes_1g, bound);
  std::vector<int64_t> walks(classes.size());
  for (size_t i = 0; i < classes.size(); ++i) {
    walks[i] = MultiplyDivide(classes[i].visits, std::min(level1[i], level2[i]), kMillion);
  }
  const std::vector<int64_t> walk_cycles = WalkCycles(profile.translation, classes, walks, bound);
  const int64_t hit = profile.translation.second_level_hit.value.at(bound);
  int64_t overhead = 0;
  for (size_t i = 0; i < classes.size(); ++i) {
    const int64_t missed = MultiplyDivide(classes[i].visits, level1[i], kMillion);
    overhead += (missed - walks[i]) * hit + MultiplyDivide(walks[i], walk_cycles[i], kMillion);
  }
  return overhead;
}

}  // namespace

WorkingSets WorkingSets::Guess(int64_t memory_bytes) {
  constexpr int64_t kKiB = 1 << 10;
  constexpr int64_t kMiB = 1 << 20;
  constexpr Range kOften = {750, 1500, 2500};
  return {.kernel_hot = {.bytes = {128 * kKiB, 256 * kKiB, 512 * kKiB}, .visits_per_million_cycles = kOften},
          .kernel_cold = {.bytes = {memory_bytes / 512, memory_bytes / 256, memory_bytes / 128},
                          .visits_per_million_cycles = {100, 200, 350}},
          .user_4k = {.bytes = {8 * kMiB, 16 * kMiB, 32 * kMiB}, .visits_per_million_cycles = kOften},
          .user_2m = {.bytes = {256 * kMiB, 512 * kMiB, 1024 * kMiB}, .visits_per_million_cycles = kOften}};
}

Range TranslationOverheadPpm(const CpuProfile& profile, const PageSizeMix& mix, const WorkingSets& sets) {
  std::array<int64_t, 3> ppm = {};
  for (Bound bound : kBounds) ppm[static_cast<size_t>(bound)] = OverheadPpm(profile, mix, sets, bound);
  std::sort(ppm.begin(), ppm.end());
  return {ppm[0], ppm[1], ppm[2]};
}

}  // namespace dmfrag::cost
