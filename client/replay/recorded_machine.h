#ifndef DMFRAG_CLIENT_REPLAY_RECORDED_MACHINE_H_
#define DMFRAG_CLIENT_REPLAY_RECORDED_MACHINE_H_

#include "dmfrag/v1/kernel.pb.h"
#include "dmfrag/v1/recording.pb.h"

namespace dmfrag::client {

// Whether the machine was recorded well enough for a run to start from it. Thread-safe.
bool CanStart(const v1::MachineSnapshot& machine);

// The rules of its kernel: those of the greatest known release that is not later. Unspecified: its release is not
// known. Thread-safe.
v1::KernelRelease ReleaseOf(const v1::MachineSnapshot& machine);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_REPLAY_RECORDED_MACHINE_H_
