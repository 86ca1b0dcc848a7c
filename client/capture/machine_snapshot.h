#ifndef DMFRAG_CLIENT_CAPTURE_MACHINE_SNAPSHOT_H_
#define DMFRAG_CLIENT_CAPTURE_MACHINE_SNAPSHOT_H_

#include "client/capture/system_files.h"
#include "dmfrag/v1/recording.pb.h"

namespace dmfrag::client {

struct SnapshotOptions {
  // The kernel's command line is cut to options of memory management, and /proc/iomem to memory: both can name disks
  // and devices.
  bool privacy = false;
};

// The machine as it is now. What cannot be read is a sentence in `missing`: what, why, how to get it. Asks the kernel
// to fold its per-CPU counters first (vm.stat_refresh), where it may.
v1::MachineSnapshot TakeMachineSnapshot(const SystemFiles& files, const SnapshotOptions& options);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CAPTURE_MACHINE_SNAPSHOT_H_
