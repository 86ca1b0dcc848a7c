#ifndef DMFRAG_WORKER_EXPERIMENT_CALLS_ALIAS_EXPLAINER_H_
#define DMFRAG_WORKER_EXPERIMENT_CALLS_ALIAS_EXPLAINER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "worker/experiment/calls/call_tally.h"
#include "worker/experiment/calls/vfree_matcher.h"
#include "worker/model/kernel_release.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::experiment {

// A recorded call that is the direct-map side of a request on other addresses.
struct AliasCall {
  size_t position = 0;  // among all calls of the capture
  int32_t step = 0;
  CallUser user = CallUser::kOther;  // by the action of the step
  bool packs = false;                // the step made BPF packs, not pages of single programs
  workload::DirectMapCall call;
};

// An area that became known by the call at `position`.
struct KnownArea {
  size_t position = 0;
  VmallocArea area;
};

// Explains the alias calls of a capture as those of modules, BPF and the ROX cache: each module load, pack, and free of
// a part of the cache is generated (from module_calls.h, bpf_calls.h, execmem_calls.h) once its frames are known, and
// compared. The first call for a frame is learned from; every later one is generated. Returns the areas that frees with
// permission reset will free.
std::vector<KnownArea> ExplainAliasCalls(std::vector<AliasCall> calls, model::KernelRelease release, CallTally& tally);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_CALLS_ALIAS_EXPLAINER_H_
