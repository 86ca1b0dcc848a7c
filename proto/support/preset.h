#ifndef DMFRAG_PROTO_SUPPORT_PRESET_H_
#define DMFRAG_PROTO_SUPPORT_PRESET_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dmfrag/v1/workload.pb.h"

namespace dmfrag {

// The mix behind a preset's name. Errors: kInvalidArgument naming the known presets.
absl::StatusOr<v1::Mix> PresetMix(const std::string& name);

// All presets, sorted by name: the files of proto/presets.
const std::vector<v1::Preset>& Presets();

// Their names.
std::vector<std::string> PresetNames();

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_PRESET_H_
