#include "proto/support/spec_captures.h"

namespace dmfrag {

std::vector<std::string> CapturesOf(const v1::JobSpec& spec) {
  std::vector<std::string> captures;
  const v1::ReplayWorkload& replay = spec.workload().replay();
  for (const std::string* name :
       {&replay.capture_sha256(), &replay.trace_sha256(), &spec.machine().boot_snapshot_sha256()}) {
    if (!name->empty()) captures.push_back(*name);
  }
  return captures;
}

}  // namespace dmfrag
