#ifndef DMFRAG_WORKER_WORKLOAD_CAPTURE_JSON_H_
#define DMFRAG_WORKER_WORKLOAD_CAPTURE_JSON_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "worker/workload/capture_values.h"

namespace dmfrag::workload {

// The JSON of a capture's file, plain or compressed by xz, at most 256 MiB of it. Nothing that is read has a fraction,
// and to convert a number that no integer holds is undefined behaviour: fractions are null, which is refused wherever a
// number is expected.
// Errors: kInvalidArgument if it is longer, or damaged. Throws nlohmann's exceptions if it is no JSON. Thread-safe.
absl::StatusOr<nlohmann::json> CaptureJson(std::string_view bytes);

// What `parse` makes of that JSON: an absl::StatusOr. The one place where a capture is opened, and where exceptions of
// nlohmann's, for values of other types than the format says, become kInvalidArgument.
template <typename Parse>
auto ParseCaptureFile(std::string_view bytes, const Parse& parse) -> decltype(parse(nlohmann::json())) {
  try {
    const absl::StatusOr<nlohmann::json> json = CaptureJson(bytes);
    if (!json.ok()) return json.status();
    return parse(*json);
  } catch (const nlohmann::json::exception& error) {
    return DamagedCapture("JSON", std::string(error.what()) + "; the file is damaged or no capture");
  }
}

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CAPTURE_JSON_H_
