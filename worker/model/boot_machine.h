#ifndef DMFRAG_WORKER_MODEL_BOOT_MACHINE_H_
#define DMFRAG_WORKER_MODEL_BOOT_MACHINE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "worker/model/direct_map.h"
#include "worker/model/kernel_image.h"
#include "worker/model/kernel_release.h"
#include "worker/model/memory_map.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// A machine about to boot: all that decides what its direct map becomes. A plain value.
struct BootMachine {
  KernelRelease release = KernelRelease::k6_12;
  // The effective e820 map, after mem= and memmap= of the command line.
  MemoryMap memory;
  BootMappingRules rules;
  // Absent: not known, and the image is not protected.
  std::optional<KernelImage> image;
  // Where the boot loader put the initial RAM disk, and where the kernel moved it if that was outside `memory`.
  std::optional<FrameRange> initrd;
  std::optional<FrameRange> moved_initrd;
  // Memory of each NUMA node, ranges ascending and within `memory`; empty: all of it is one node's.
  std::vector<std::vector<FrameRange>> nodes;
  uint32_t cpus = 1;
  bool page_isolation = false;  // pti: entries of the direct map are not global
  bool kfence = false;          // kfence.sample_interval= is not 0
  bool boot_kprobes = false;    // kprobe_event= on the command line
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_BOOT_MACHINE_H_
