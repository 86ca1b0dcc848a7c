#ifndef DMFRAG_WORKER_WORKLOAD_BOOT_INPUT_H_
#define DMFRAG_WORKER_WORKLOAD_BOOT_INPUT_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"
#include "worker/model/boot_machine.h"
#include "worker/model/direct_map.h"
#include "worker/model/kernel_release.h"
#include "worker/model/memory_map.h"

namespace dmfrag::workload {

// What a kernel's command line asks of the direct map; the last of contradicting words wins, as in the kernel.
struct BootOptions {
  bool gbpages = true;           // gbpages, nogbpages
  bool debug_pagealloc = false;  // debug_pagealloc=on
  bool page_isolation = false;   // pti=on; other values leave it to the processor, and captured ones do not need it
  bool kfence = false;           // kfence.sample_interval=N, N not 0 (Debian's default is 0)
  bool kprobes = false;          // kprobe_event=
};
BootOptions ParseCommandLine(std::string_view command_line);

// Page sizes that the kernel may use: `cpu_flags` of a capture and its command line. Source: arch/x86/mm/init.c
// probe_page_size_mask. Without a flag pdpe1gb, what the kernel said (`using_gb_pages`) tells whether the processor has
// 1G pages. Throws nlohmann::json::exception if another key is missing, or one is of another type.
model::BootMappingRules ParseMappingRules(const nlohmann::json& capture);

// The machine as it was before it booted, from `config.cmdline`, `cpu_flags`, `symbols`, `iomem` (where the image lies)
// and `dmesg_mem` (RAM disk, nodes); no counter and no dump. nullopt if the capture has no symbols, or does not say
// where the image lies. Errors: kInvalidArgument if one of these makes no sense. Throws as above.
absl::StatusOr<std::optional<model::BootMachine>> ParseBootMachine(const nlohmann::json& capture,
                                                                   const model::MemoryMap& memory,
                                                                   model::KernelRelease release, uint32_t cpus);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_BOOT_INPUT_H_
