#include "proto/support/spec_captures.h"

#include <algorithm>

namespace dmfrag {

std::vector<std::string> CapturesOf(const v1::JobSpec& spec) {
  std::vector<std::string> captures;
  const v1::ReplayWorkload& replay = spec.workload().replay();
  for (const std::string* name : {&replay.capture_sha256(), &replay.trace_sha256(),
                                  &spec.workload().recording().file_sha256(), &spec.machine().boot_snapshot_sha256()}) {
    // A recording may be its own boot snapshot.
    const bool is_known = std::find(captures.begin(), captures.end(), *name) != captures.end();
    if (!name->empty() && !is_known) captures.push_back(*name);
  }
  return captures;
}

}  // namespace dmfrag
