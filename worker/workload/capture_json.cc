#include "worker/workload/capture_json.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/workload/xz.h"

namespace dmfrag::workload {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxJsonBytes = size_t{256} << 20;
constexpr std::string_view kXzMagic(
    "\xfd"
    "7zXZ\0",
    6);

}  // namespace

absl::StatusOr<Json> CaptureJson(std::string_view bytes) {
  std::string json;
  if (bytes.starts_with(kXzMagic)) {
    ASSIGN_OR_RETURN(json, DecompressXz(bytes, kMaxJsonBytes));
    bytes = json;
  } else if (bytes.size() > kMaxJsonBytes) {
    return DamagedCapture("file",
                          absl::StrCat("more than ", kMaxJsonBytes, " bytes of JSON; such captures are refused"));
  }
  return Json::parse(bytes.begin(), bytes.end(), [](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::value && value.is_number_float()) value = nullptr;
    return true;
  });
}

}  // namespace dmfrag::workload
