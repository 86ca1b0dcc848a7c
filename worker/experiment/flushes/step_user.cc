#include "worker/experiment/flushes/step_user.h"

#include <map>

namespace dmfrag::experiment {

StepUser UserOfAction(const std::string& action) {
  static const auto& users = *new std::map<std::string, StepUser>{
      {"cbpf", StepUser::kBpfLoad},       {"churn", StepUser::kSecretChurn},  {"dmabs", StepUser::kDirectCall},
      {"dmat", StepUser::kDirectCall},    {"dmpage", StepUser::kDirectCall},  {"ebpf", StepUser::kBpfLoad},
      {"free", StepUser::kFree},          {"freepct", StepUser::kFree},       {"insall", StepUser::kModuleLoad},
      {"insmod", StepUser::kModuleLoad},  {"insmod1", StepUser::kModuleLoad}, {"insmoda", StepUser::kModuleLoad},
      {"pchurn", StepUser::kSecretChurn}, {"pfree", StepUser::kFree},         {"psecret", StepUser::kSecretFaults},
      {"rmall", StepUser::kModuleUnload}, {"rmmod", StepUser::kModuleUnload}, {"secret", StepUser::kSecretFault},
  };
  const auto found = users.find(action.substr(0, action.find(' ')));
  return found == users.end() ? StepUser::kOther : found->second;
}

const char* StepUserName(StepUser user) {
  switch (user) {
    case StepUser::kOther:
      return "other";
    case StepUser::kSecretFault:
      return "secret fault";
    case StepUser::kSecretFaults:
      return "parallel secret faults";
    case StepUser::kSecretChurn:
      return "secret churn";
    case StepUser::kFree:
      return "free";
    case StepUser::kBpfLoad:
      return "BPF load";
    case StepUser::kModuleLoad:
      return "module load";
    case StepUser::kModuleUnload:
      return "module unload";
    case StepUser::kDirectCall:
      return "direct call";
  }
  return "other";
}

}  // namespace dmfrag::experiment
