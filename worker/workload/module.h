#ifndef DMFRAG_WORKER_WORKLOAD_MODULE_H_
#define DMFRAG_WORKER_WORKLOAD_MODULE_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "worker/model/kernel_release.h"
#include "worker/workload/calls/module_calls.h"
#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// Loadable modules: each is loaded, which takes init memory for a moment, kept, and unloaded.
//
// Source: kernel/module/main.c load_module, free_module; kernel/module/strict_rwx.c; mm/execmem.c: vmalloc areas of
// order-0 GFP_KERNEL pages; from 6.15 on text and init text are parts of the ROX cache (rox_cache.h). Calls are those
// of calls/module_calls.h. Simplifications: init memory is freed right after loading; the file, symbols in slabs and
// whatever the module's own code allocates are no part of it (mix in ordinary users).
struct ModuleConfig {
  Distribution interval_us;
  Distribution size_pages;  // as long as it is loaded; init memory comes on top
  Distribution lifetime_us;
};

ObjectTraffic ModuleTraffic(const ModuleConfig& config);

// Pages of each kind of a module's memory.
using ModuleSizes = std::array<uint64_t, kModuleMemories>;

// How `pages` are shared, and the init memory beside them: 40 % text, 26 % constants, the rest data; one page of init
// text, and a quarter of `pages` of init data. Every module has text, then, as it gets larger, data and constants; from
// 21 pages on, one page that is read-only after init. No init constants.
//
// Measured, nmods-612-2G-a (108 modules of Debian, 4598 pages, 43 each): text 1822 pages, data 1580, constants 1196, of
// which 36 are read-only after init; init text 94, init data 1151, init constants none. Which modules have a page that
// is read-only after init is a guess: the larger third. nmods-61-2G-a: 4011 pages, 43 %, 32 %, 26 %, of init 95 and
// 1022.
ModuleSizes ModuleSizesOf(uint64_t pages);

// Kinds of memory that lie in one area, in the order of addresses.
using ModuleArea = std::span<const ModuleMemory>;

// Areas in the order of their allocation. 6.1 and before: one for all that stays, one for init. Later each kind has one
// of its own; those of the ROX cache are a part of it (IsInRoxCache). Freed in the same order, but that of data last
// (free_mod_mem: it holds the struct module).
std::span<const ModuleArea> ModuleCoreAreas(model::KernelRelease release);
std::span<const ModuleArea> ModuleInitAreas(model::KernelRelease release);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_MODULE_H_
