#include "worker/cost/cpu_profile.h"

namespace dmfrag::cost {
namespace {

constexpr bool kGuess = true;
constexpr bool kSourced = false;
constexpr PageSizes k4K2M = {.k4K = true, .k2M = true};
constexpr PageSizes kAll = {.k4K = true, .k2M = true, .k1G = true};

constexpr Figure Guess(Range value, const char* why) { return {value, why, kGuess}; }

// Times of sources become cycles at 2.1 GHz (low and typical ends) or 3.3 GHz (high end), the two machines of the XPFO
// study.
constexpr OperationCosts CommonCosts() {
  return {
      .cpa_request = Guess({150, 400, 1200}, "guess: four dependent loads, a lock, checks"),
      .entry_write = Guess({20, 60, 200}, "guess: one locked or plain store to a cached line"),
      .table_fill = Guess({500, 1000, 3000}, "guess: 512 stores of 8 bytes, 1 to 6 cycles each"),
      .flush_page = {{200, 300, 460}, "arch/x86/mm/tlb.c: about 100 ns; LKML 1205.0/00700 (A. Shi): 140 ns", kSourced},
      .flush_all = Guess({150, 500, 1200}, "guess: INVPCID of all contexts, or CR4.PGE off and on"),
      .tlb_refill =
          Guess({500, 4000, 30000}, "guess: 25 to 1500 entries at 20 cycles; LKML 1205.0/00700 assumes 100 ns"),
      .ipi_start = Guess({2100, 3150, 4200}, "domain 2.7: 1 to 2 us, unverified"),
      .ipi_per_cpu = Guess({105, 420, 1400}, "guess: 0.05 to 0.2 us (domain 2.7, unverified); above one socket more"),
      .ipi_handler = Guess({500, 1200, 3000}, "guess: interrupt entry and exit, queue, INVLPG"),
      .ipi_handler_isolated = Guess({1000, 2500, 6000}, "guess: ipi_handler twice over, for context tracking"),
      .clflush_page = Guess({640, 2500, 13000}, "guess: 64 lines at 10 to 200 cycles"),
      .wbinvd = Guess({200'000, 1'000'000, 10'000'000}, "guess: 0.1 to 3 ms"),
      .page_allocate = Guess({80, 150, 300}, "guess: a hit of a per-CPU list"),
      .page_free = Guess({60, 120, 250}, "guess: a free to a per-CPU list"),
      .zone_lock = Guess({20, 60, 300}, "guess: an atomic operation, contended at the high end"),
      .zone_list_block = Guess({20, 100, 300},
                               "guess: one to three cache misses on struct page, which dominate (A. Lu, "
                               "LKML 1802.0/02579)"),
      .page_zero = Guess({130, 500, 1500}, "guess: 4 KiB at 32 to 2.7 bytes a cycle"),
      .page_copy = Guess({260, 1000, 3000}, "guess: page_zero twice"),
      .page_migrate = Guess({3000, 6000, 20000}, "guess: page_copy, two flushes, page-table work"),
      .temporary_mapping = Guess({60, 200, 800}, "guess: entry_write twice, a slot of the processor, preemption off"),
      .free_check = Guess({1, 5, 100}, "guess: a test of what the free has just read; a cache miss at the high end"),
  };
}

constexpr TranslationCosts Translation(int64_t l2_kib, int64_t l3_kib) {
  return {
      .second_level_hit = Guess({7, 8, 9}, "domain 6.7, unverified"),
      .walk_from_l2 = Guess({20, 30, 40}, "domain 6.7, unverified"),
      .walk_from_l3 = Guess({40, 60, 90}, "guess: walk_from_l2 and a last-level hit"),
      .walk_from_memory = Guess({100, 220, 350}, "domain 6.7: 100 and more, unverified"),
      .exposed_per_mille = Guess({300, 600, 1000}, "guess"),
      .l2_bytes = Guess(Range::Exactly(l2_kib << 10), "vendor's figure, unverified here"),
      .l3_bytes = Guess(Range::Exactly(l3_kib << 10), "vendor's figure per core, unverified here"),
      .table_share_per_mille = Guess({125, 250, 500}, "guess; the larger the share, the cheaper"),
  };
}

constexpr TlbArray Array(PageSizes holds, int64_t entries, const char* source, bool is_guess) {
  return {holds, {Range::Exactly(entries), source, is_guess}};
}

constexpr const char* kUnverified = "domain 6.7, unverified";
constexpr const char* kSkylake = "domain 6.7: community.intel.com td-p/1371605";
constexpr const char* kWikichipZen2 = "domain 6.7: en.wikichip.org zen_2";
constexpr const char* kWikichipZen = "domain 6.7: wikichip zen";

// Intel's first level has an array per page size.
constexpr std::array<TlbArray, 3> IntelLevel1(int64_t k4k, int64_t k1g, const char* source, bool is_guess) {
  return {Array({.k4K = true}, k4k, source, is_guess), Array({.k2M = true}, 32, kUnverified, kGuess),
          Array({.k1G = true}, k1g, source, is_guess)};
}

// AMD's first level holds all sizes, and its second one 4K and 2M.
constexpr CpuProfile Zen(const char* name, int64_t level1, int64_t level2, bool smashes, const char* source,
                         bool is_guess, int64_t l2_kib, int64_t l3_kib) {
  return {.name = name,
          .operations = CommonCosts(),
          .tlb = {.level1 = {Array(kAll, level1, source, is_guess), TlbArray{}, TlbArray{}},
                  .level2 = {Array(k4K2M, level2, source, is_guess), TlbArray{}},
                  .level2_smashes_1g = smashes},
          .translation = Translation(l2_kib, l3_kib)};
}

// In the order of CpuModel. Until somebody measures them apart, all share the costs of operations.
constexpr std::array<CpuProfile, kCpuModels.size()> kProfiles = {
    CpuProfile{
        .name = "skylake-sp",
        .operations = CommonCosts(),
        .tlb = {.level1 = IntelLevel1(64, 4, kSkylake, kSourced),
                .level2 = {Array(k4K2M, 1536, kSkylake, kSourced), Array({.k1G = true}, 16, kUnverified, kGuess)}},
        .translation = Translation(1024, 1408)},
    CpuProfile{.name = "ice-lake-sp",
               .operations = CommonCosts(),
               .tlb = {.level1 = IntelLevel1(64, 8, kUnverified, kGuess),
                       .level2 = {Array(k4K2M, 1024, kUnverified, kGuess),
                                  Array({.k4K = true, .k1G = true}, 1024, kUnverified, kGuess)}},
               .translation = Translation(1280, 1536)},
    CpuProfile{.name = "sapphire-rapids",
               .operations = CommonCosts(),
               .tlb = {.level1 = IntelLevel1(96, 8, kUnverified, kGuess),
                       .level2 = {Array(kAll, 2048, kUnverified, kGuess), TlbArray{}}},
               .translation = Translation(2048, 1920)},
    Zen("zen-1", 64, 1536, false, kWikichipZen, kSourced, 512, 2048),
    Zen("zen-2", 64, 2048, true, kWikichipZen2, kSourced, 512, 4096),
    Zen("zen-3", 64, 2048, true, kUnverified, kGuess, 512, 4096),
    Zen("zen-4", 72, 3072, true, kUnverified, kGuess, 1024, 4096),
    Zen("zen-5", 96, 4096, true, kUnverified, kGuess, 1024, 4096),
};

}  // namespace

const CpuProfile& ProfileOf(CpuModel model) { return kProfiles[static_cast<size_t>(model)]; }

std::vector<std::string> NamesOfCycles() {
  std::vector<std::string> names;
  CpuProfile::ForEach(kProfiles.front(), [&](const char* name, std::string_view unit, const Figure&) {
    if (unit == "cycles") names.emplace_back(name);
  });
  return names;
}

Figure* FindFigure(CpuProfile& profile, std::string_view name) {
  Figure* found = nullptr;
  CpuProfile::ForEach(profile, [&](const char* figure_name, const char*, Figure& figure) {
    if (figure_name == name) found = &figure;
  });
  return found;
}

}  // namespace dmfrag::cost
