#ifndef DMFRAG_PROTO_SUPPORT_MODEL_VERSION_H_
#define DMFRAG_PROTO_SUPPORT_MODEL_VERSION_H_

#include <cstdint>

namespace dmfrag {

// Version of the model: bumped by hand whenever a job's result changes. Server and workers must agree; results of
// different versions are never mixed. tests/golden/golden_test.cc fails when results change without a bump.
inline constexpr uint32_t kModelVersion = 6;

// Version of the programs, for people.
inline constexpr char kProgramVersion[] = "0.1.0";

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_MODEL_VERSION_H_
