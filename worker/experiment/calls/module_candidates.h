#ifndef DMFRAG_WORKER_EXPERIMENT_CALLS_MODULE_CANDIDATES_H_
#define DMFRAG_WORKER_EXPERIMENT_CALLS_MODULE_CANDIDATES_H_

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "worker/model/kernel_release.h"
#include "worker/model/units.h"
#include "worker/workload/calls/module_calls.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::experiment {

// A module's frames by kind of memory, each in the order of addresses.
struct ModuleFrames {
  std::array<std::vector<model::FrameNumber>, workload::kModuleMemories> memory = {};
  bool init_fails = false;  // so that nothing follows the init function
  const std::vector<model::FrameNumber>& operator[](workload::ModuleMemory kind) const {
    return memory[static_cast<size_t>(kind)];
  }
  std::vector<model::FrameNumber>& operator[](workload::ModuleMemory kind) { return memory[static_cast<size_t>(kind)]; }
};

// The direct-map calls of loading the module, memory of init not freed yet: the requests of module_calls.h on addresses
// that are made up, through the rule of alias_calls.h.
std::vector<workload::DirectMapCall> ModuleLoadAliasCalls(const ModuleFrames& module, model::KernelRelease release);

// How the frames of the module whose load begins with calls[0] may lie, as its calls tell: every frame is shown by its
// first call, kinds and limits follow from what comes next. Empty if no load begins there. On 6.1 one list of frames
// stands for text, read-only data and init text, whose limits no call tells; on 6.12 one for text and init text.
std::vector<ModuleFrames> ModuleCandidates(std::span<const workload::DirectMapCall> calls,
                                           model::KernelRelease release);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_CALLS_MODULE_CANDIDATES_H_
