#ifndef DMFRAG_WORKER_MODEL_BOOT_MAPPING_H_
#define DMFRAG_WORKER_MODEL_BOOT_MAPPING_H_

#include "worker/model/boot_machine.h"
#include "worker/model/direct_map.h"
#include "worker/model/direct_map_counters.h"

namespace dmfrag::model {

// The direct map when the first user program starts, and what the kernel's own counters say of it, which is something
// else: entries met again while memory is mapped are counted again, and splits of the image's own mapping are counted
// as if they were the direct map's. Those of vmstat are still 0.
struct BootMapping {
  DirectMap map;
  DirectMapCounters counters;
};

// Counts entries as the kernel does while it maps memory, before anything is split. Large entries at the top are met,
// and counted, up to three times: the topmost free 2M is mapped first (as 1G, if the whole 1G is memory), the rest of
// its 512M second, everything below third.
//
// Source: arch/x86/mm/init.c init_mem_mapping, memory_map_top_down, get_new_step_size, split_mem_range,
// adjust_range_page_size_mask; arch/x86/mm/init_64.c phys_{pud,pmd,pte}_init (6.1 to 7.3). `map` is the map of the boot
// rule; since a piece's page size is that of the whole block around it, wherever the piece was cut, what one call maps
// is what `map` has in its range. Not in it: bottom-up mapping (movable_node), memory added later.
DirectMapCounters CountBootMapping(const BootMachine& machine, const DirectMap& map);

// Boots: maps memory, protects the image, allocates the first code. See KernelImageRequests and EarlyCodeRequests for
// what is exact and what is estimated. Linear in GiB of memory.
BootMapping PredictBootMapping(const BootMachine& machine);

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_BOOT_MAPPING_H_
