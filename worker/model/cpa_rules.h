#ifndef DMFRAG_WORKER_MODEL_CPA_RULES_H_
#define DMFRAG_WORKER_MODEL_CPA_RULES_H_

#include <cstdint>

#include "worker/model/kernel_release.h"

namespace dmfrag::model {

// When 512 equal entries are put together to a large page.
enum class CollapseDesign : uint8_t {
  // Never: before 6.15.
  kNever,
  // By set_memory_rox alone, over the range it was asked for: mainline from 6.15 on (CPA_COLLAPSE).
  kOnRox,
  // Whenever a change leaves the 512 entries equal, upwards from the block it touched. Source: Aaron Lu's series of
  // August 2022 ("merge small mappings"), which kept a count of equal entries per page table. What-if.
  kWhenUniform,
};

// Rules of CPA that differ between kernels, and what-if switches. A plain value; the default is 6.12's.
struct CpaRules {
  // A request for NX alone is not passed on to the direct-map alias; from 6.2 on it is, with nothing left to change
  // (commit d597416683d5 "x86/mm: Inhibit _PAGE_NX changes from cpa_process_alias()"; captures show both).
  bool skip_alias_of_nx = false;
  CollapseDesign collapse = CollapseDesign::kNever;
  // What-if. An entry loses GLOBAL when it is made not present, and no kernel up to 7.3 gives it back when it is made
  // present again, so that it never equals its neighbours any more. true: it comes back, as the first patch of Lu's
  // series does.
  bool restore_global = false;
  // What-if. set_memory_ro clears DIRTY (6.12), set_memory_rw does not set it, and only a write by the processor does.
  // true: an entry that becomes writable is written to at once.
  bool restore_dirty = false;
  // Without CLFLUSH a change of the memory type writes back every cache (WBINVD) instead of the lines of its pages.
  bool clflush = true;

  // With the what-ifs of these names.
  static constexpr CpaRules Of(KernelRelease release, bool restore_global = false, bool restore_dirty = false) {
    CpaRules rules;
    rules.restore_global = restore_global;
    rules.restore_dirty = restore_dirty;
    rules.skip_alias_of_nx = release < KernelRelease::k6_12;
    rules.collapse = release >= KernelRelease::k6_16 ? CollapseDesign::kOnRox : CollapseDesign::kNever;
    return rules;
  }
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_CPA_RULES_H_
