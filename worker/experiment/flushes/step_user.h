#ifndef DMFRAG_WORKER_EXPERIMENT_FLUSHES_STEP_USER_H_
#define DMFRAG_WORKER_EXPERIMENT_FLUSHES_STEP_USER_H_

#include <cstdint>
#include <string>

namespace dmfrag::experiment {

// Who asked for the changes of a recorded step, as far as its action tells.
enum class StepUser {
  kOther,         // nobody, or work put off from earlier steps
  kSecretFault,   // memfd_secret pages touched by one thread
  kSecretFaults,  // the same by several threads at once
  kSecretChurn,   // touched and freed in turn
  kFree,          // an earlier step's objects freed: secret pages, programs, ordinary memory
  kBpfLoad,
  kModuleLoad,
  kModuleUnload,
  kDirectCall,  // set_memory_* called on the direct map itself
};

// From a line of a capture's script.
StepUser UserOfAction(const std::string& action);

// "secret fault", "BPF load" ...
const char* StepUserName(StepUser user);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FLUSHES_STEP_USER_H_
