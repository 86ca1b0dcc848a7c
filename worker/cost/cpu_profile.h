#ifndef DMFRAG_WORKER_COST_CPU_PROFILE_H_
#define DMFRAG_WORKER_COST_CPU_PROFILE_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "worker/cost/range.h"

namespace dmfrag::cost {

// One constant of the cost model: its range, where it is from, and whether it is a guess, that is, whether nobody
// measured it on the processor it stands for as far as `source` goes.
struct Figure {
  Range value;
  const char* source = "";
  bool is_guess = true;
};

// What one event costs, in cycles of the processor that spends them.
struct OperationCosts {
  Figure cpa_request;           // finds the entries of a request and decides; per request
  Figure entry_write;           // per page-table entry
  Figure table_fill;            // 512 entries of a new page table, per split
  Figure flush_page;            // INVLPG, per page and processor
  Figure flush_all;             // a processor's whole TLB, per flush and processor
  Figure tlb_refill;            // walks to fill it again, per full flush and processor
  Figure ipi_start;             // the sender's share that does not depend on the number of receivers
  Figure ipi_per_cpu;           // the sender's share per receiver: queueing, sending, waiting
  Figure ipi_handler;           // on the receiver, per interrupt
  Figure ipi_handler_isolated;  // the same where the processor ran undisturbed until then (isolcpus, nohz_full)
  Figure clflush_page;          // 64 cache lines, per page
  Figure wbinvd;                // per processor
  Figure page_allocate;         // from a per-CPU list
  Figure page_free;             // to a per-CPU list
  Figure zone_lock;             // taken and released, per batch
  Figure zone_list_block;       // per block moved between the zone's lists and elsewhere, under the lock
  Figure page_zero;             // per 4K page
  Figure page_copy;             // per 4K page
  Figure page_migrate;          // unmap, flush, copy, map, by compaction or a cache; per page
  Figure temporary_mapping;     // mapped for this processor and unmapped again, its flush left out; per page
  Figure free_check;            // whether the page belongs to a cache; per free

  // Calls visit(name, figure) for each of the above.
  template <typename Self, typename Visitor>
  static void ForEach(Self& self, const Visitor& visit) {
    visit("cpa_request", self.cpa_request);
    visit("entry_write", self.entry_write);
    visit("table_fill", self.table_fill);
    visit("flush_page", self.flush_page);
    visit("flush_all", self.flush_all);
    visit("tlb_refill", self.tlb_refill);
    visit("ipi_start", self.ipi_start);
    visit("ipi_per_cpu", self.ipi_per_cpu);
    visit("ipi_handler", self.ipi_handler);
    visit("ipi_handler_isolated", self.ipi_handler_isolated);
    visit("clflush_page", self.clflush_page);
    visit("wbinvd", self.wbinvd);
    visit("page_allocate", self.page_allocate);
    visit("page_free", self.page_free);
    visit("zone_lock", self.zone_lock);
    visit("zone_list_block", self.zone_list_block);
    visit("page_zero", self.page_zero);
    visit("page_copy", self.page_copy);
    visit("page_migrate", self.page_migrate);
    visit("temporary_mapping", self.temporary_mapping);
    visit("free_check", self.free_check);
  }
};

// Which sizes of pages an array of a TLB holds.
struct PageSizes {
  bool k4K = false;
  bool k2M = false;
  bool k1G = false;
};

// One array of a TLB. `entries` 0: there is none.
struct TlbArray {
  PageSizes holds;
  Figure entries;
};

// A data TLB of two levels. Source: domain 6.7. Associativity is not modelled.
struct TlbShape {
  std::array<TlbArray, 3> level1;
  std::array<TlbArray, 2> level2;
  // The second level keeps a 1G page as the 2M pieces that were touched (Zen 2 "smashes" it).
  bool level2_smashes_1g = false;
};

// What address translation costs, in cycles, and where page tables are found.
struct TranslationCosts {
  Figure second_level_hit;  // a miss of the first level that the second one answers
  Figure walk_from_l2;      // a walk whose last entry is in the processor's own cache (L1 or L2)
  Figure walk_from_l3;
  Figure walk_from_memory;
  Figure exposed_per_mille;      // share of a walk that out-of-order execution does not hide
  Figure l2_bytes;               // the processor's own cache
  Figure l3_bytes;               // its share of the last level
  Figure table_share_per_mille;  // share of caches that page tables may fill

  // Calls visit(name, figure) for each of the above.
  template <typename Self, typename Visitor>
  static void ForEach(Self& self, const Visitor& visit) {
    visit("second_level_hit", self.second_level_hit);
    visit("walk_from_l2", self.walk_from_l2);
    visit("walk_from_l3", self.walk_from_l3);
    visit("walk_from_memory", self.walk_from_memory);
    visit("exposed_per_mille", self.exposed_per_mille);
    visit("l2_bytes", self.l2_bytes);
    visit("l3_bytes", self.l3_bytes);
    visit("table_share_per_mille", self.table_share_per_mille);
  }
};

enum class CpuModel : uint8_t { kSkylakeSp, kIceLakeSp, kSapphireRapids, kZen1, kZen2, kZen3, kZen4, kZen5 };
inline constexpr std::array<CpuModel, 8> kCpuModels = {
    CpuModel::kSkylakeSp, CpuModel::kIceLakeSp, CpuModel::kSapphireRapids, CpuModel::kZen1,
    CpuModel::kZen2,      CpuModel::kZen3,      CpuModel::kZen4,           CpuModel::kZen5};

// A processor as the cost model sees it. A plain value: a sensitivity study copies one and changes a figure of it.
struct CpuProfile {
  const char* name = "";
  OperationCosts operations;
  TlbShape tlb;
  TranslationCosts translation;

  // Calls visit(name, unit, figure) for every figure, those of the TLB as "tlb.level1[0].entries" and so on.
  template <typename Self, typename Visitor>
  static void ForEach(Self& self, const Visitor& visit);
};

// The profile of a processor; never changes.
const CpuProfile& ProfileOf(CpuModel model);

// The same names, of the figures in cycles alone: what events and walks cost, not how much memory a TLB or cache
// reaches.
std::vector<std::string> NamesOfCycles();

// A figure by the name ForEach gives it; nullptr if there is none.
Figure* FindFigure(CpuProfile& profile, std::string_view name);

template <typename Self, typename Visitor>
void CpuProfile::ForEach(Self& self, const Visitor& visit) {
  OperationCosts::ForEach(self.operations, [&](const char* name, auto& figure) { visit(name, "cycles", figure); });
  constexpr std::array<const char*, 3> kLevel1 = {"tlb.level1[0].entries", "tlb.level1[1].entries",
                                                  "tlb.level1[2].entries"};
  constexpr std::array<const char*, 2> kLevel2 = {"tlb.level2[0].entries", "tlb.level2[1].entries"};
  for (size_t i = 0; i < kLevel1.size(); ++i) visit(kLevel1[i], "entries", self.tlb.level1[i].entries);
  for (size_t i = 0; i < kLevel2.size(); ++i) visit(kLevel2[i], "entries", self.tlb.level2[i].entries);
  TranslationCosts::ForEach(self.translation, [&](const char* name, auto& figure) {
    const std::string_view view(name);
    visit(name, view.ends_with("_bytes") ? "bytes" : view.ends_with("_per_mille") ? "per mille" : "cycles", figure);
  });
}

}  // namespace dmfrag::cost

#endif  // DMFRAG_WORKER_COST_CPU_PROFILE_H_
