#ifndef DMFRAG_PROTO_SUPPORT_GOLDEN_SET_H_
#define DMFRAG_PROTO_SUPPORT_GOLDEN_SET_H_

#include <string>
#include <vector>

namespace dmfrag {

// A small job whose result is known: a worker runs the set before it asks for work, and the server compares.
struct GoldenJob {
  std::string name;
  std::string spec_text;      // a JobSpec in text format
  std::string spec_sha256;    // lower-case hex
  std::string result_sha256;  // lower-case hex, for kModelVersion
};

// The set of this model version. A change of any result_sha256 needs a new kModelVersion.
const std::vector<GoldenJob>& GoldenSet();

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_GOLDEN_SET_H_
