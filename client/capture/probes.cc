#include "client/capture/probes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace dmfrag::client {
namespace {

// A probe on the first of several names of one function: it was renamed between versions.
struct Wanted {
  const char* event;
  bool at_return;
  std::vector<const char*> functions;
  const char* fields;
  // What is missing without it; empty: older kernels had no such thing.
  const char* what;
};

const std::vector<Wanted>& AllWanted() {
  static const auto& wanted = *new std::vector<Wanted>{
      {"sdm_invalid",
       false,
       {"set_direct_map_invalid_noflush"},
       "page=%di:x64 vmb=@vmemmap_base:x64",
       "pages that are taken out of the direct map"},
      {"sdm_default",
       false,
       {"set_direct_map_default_noflush"},
       "page=%di:x64 vmb=@vmemmap_base:x64",
       "pages that come back to the direct map"},
      {"sdm_valid",
       false,
       {"set_direct_map_valid_noflush"},
       "page=%di:x64 nr=%si:u32 valid=%dx:u8 vmb=@vmemmap_base:x64",
       ""},
      // Offsets are those of struct cpa_data, arch/x86/mm/pat/set_memory.c.
      {"cpa",
       false,
       {"__change_page_attr_set_clr"},
       "vaddr=+0(+0(%di)):x64 n=+32(%di):u64 set=+16(%di):x64 clr=+24(%di):x64 fl=+56(%di):x32 force=+60(%di):x32 "
       "pob=@page_offset_base:x64",
       "changes of permissions"},
      {"bulk_ret",
       true,
       {"alloc_pages_bulk_noprof", "__alloc_pages_bulk"},
       "n=$retval:u64",
       "pages allocated in bulk, whose frames no event logs"},
      {"compact_take",
       true,
       {"compaction_alloc", "compaction_alloc_noprof"},
       "page=$retval:x64 vmb=@vmemmap_base:x64",
       "free pages that compaction takes"},
      {"compact_back",
       false,
       {"compaction_free"},
       "page=%di:x64 vmb=@vmemmap_base:x64",
       "pages that compaction gives back"},
  };
  return wanted;
}

}  // namespace

ProbePlan PlanProbes(const KernelSymbols& symbols) {
  ProbePlan plan;
  for (const Wanted& wanted : AllWanted()) {
    const auto function = std::find_if(wanted.functions.begin(), wanted.functions.end(),
                                       [&](const char* name) { return symbols.Has(name); });
    if (function != wanted.functions.end()) {
      plan.probes.push_back({wanted.event, wanted.at_return, *function, wanted.fields});
    } else if (*wanted.what != '\0') {
      plan.missing.push_back(absl::StrCat("Not recorded: ", wanted.what, "; this kernel has no function ",
                                          wanted.functions.front(), " that a probe could be put on."));
    }
  }
  return plan;
}

}  // namespace dmfrag::client
