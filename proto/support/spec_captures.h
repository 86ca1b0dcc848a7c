#ifndef DMFRAG_PROTO_SUPPORT_SPEC_CAPTURES_H_
#define DMFRAG_PROTO_SUPPORT_SPEC_CAPTURES_H_

#include <string>
#include <vector>

#include "dmfrag/v1/job_spec.pb.h"

namespace dmfrag {

// SHA-256 in hex of every file that a spec names, and that must be there before it can run: its capture, the trace of
// that, the recording, the boot snapshot; each once.
std::vector<std::string> CapturesOf(const v1::JobSpec& spec);

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_SPEC_CAPTURES_H_
