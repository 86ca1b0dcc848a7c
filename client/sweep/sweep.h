#ifndef DMFRAG_CLIENT_SWEEP_SWEEP_H_
#define DMFRAG_CLIENT_SWEEP_SWEEP_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/replay/capture_file.h"
#include "dmfrag/v1/experiments.pb.h"

namespace dmfrag::client {

// Most jobs one sweep may ask for.
inline constexpr int64_t kMaxSweepJobs = 10'000'000;

// Makes an experiment of a sweep file's text: YAML or JSON, or, if `filename` ends in .txtpb, an Experiment in text
// format. The form is shown in examples/quickstart.yaml. The text is kept in source_text. Mixes are checked here; what
// else needs the model (sizes a machine can have, known presets) is checked by the server. Captures that it names by
// their files, relative to its own folder, are read and digested, and added to `captures`. Errors: INVALID_ARGUMENT, one
// line "file:line:column: what is wrong; what is allowed".
absl::StatusOr<v1::Experiment> ParseSweep(std::string_view text, const std::string& filename,
                                          std::vector<CaptureFile>* captures);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_SWEEP_SWEEP_H_
