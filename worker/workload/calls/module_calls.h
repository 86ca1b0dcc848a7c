#ifndef DMFRAG_WORKER_WORKLOAD_CALLS_MODULE_CALLS_H_
#define DMFRAG_WORKER_WORKLOAD_CALLS_MODULE_CALLS_H_

#include <array>
#include <cstddef>

#include "worker/model/kernel_release.h"
#include "worker/model/units.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::workload {

// Kinds of a module's memory, in the kernel's order (include/linux/module.h enum mod_mem_type, 6.4). On 6.1 the first
// four lie in one vmalloc area, the rest in another; later each has one of its own, or a part of the ROX cache.
enum class ModuleMemory { kText, kData, kRodata, kRoAfterInit, kInitText, kInitData, kInitRodata };
inline constexpr size_t kModuleMemories = 7;

// Where each lies; empty: the module has none.
struct ModuleLayout {
  std::array<model::VirtualRange, kModuleMemories> memory = {};
  const model::VirtualRange& operator[](ModuleMemory kind) const { return memory[static_cast<size_t>(kind)]; }
  model::VirtualRange& operator[](ModuleMemory kind) { return memory[static_cast<size_t>(kind)]; }
};

// Whether memory of that kind comes from execmem's ROX cache (6.15: text and init text).
bool IsInRoxCache(ModuleMemory kind, model::KernelRelease release);

// Memory is allocated and written to. Calls only where there is a ROX cache: 6.16 makes the parts of the cache writable
// (execmem_make_temp_rw), 6.18 and later all memory (execmem_alloc_rw; for data it changes nothing). Source:
// kernel/module/main.c module_memory_alloc.
UserCalls ModuleAllocate(const ModuleLayout& layout, model::KernelRelease release);

// complete_formation: permissions before the init function runs. Source: kernel/module/strict_rwx.c
// module_enable_ro, module_enable_nx, module_enable_x (6.1); module_enable_rodata_ro, module_enable_data_nx,
// module_enable_text_rox (6.12 on).
UserCalls ModuleProtect(const ModuleLayout& layout, model::KernelRelease release);

// do_init_module, after the init function: memory that is read-only from now on. 6.1 and 6.12 do all over again what
// was read-only before; later ones do the rest alone (module_enable_rodata_ro_after_init).
UserCalls ModuleProtectAfterInit(const ModuleLayout& layout, model::KernelRelease release);

// What is freed of the ROX cache with the init memory, and with the module. All other memory goes by
// VfreeWithPermissionReset, area by area. Source: do_free_init, free_mod_mem.
UserCalls ModuleFreeInit(const ModuleLayout& layout, model::KernelRelease release);
UserCalls ModuleFreeCore(const ModuleLayout& layout, model::KernelRelease release);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CALLS_MODULE_CALLS_H_
