#include "worker/job/report.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/json_util.h"
#include "proto/support/canonical.h"
#include "third_party/abseil_extras/check.h"

namespace dmfrag::job {
namespace {

std::string Json(const v1::JobResult& result) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(result, &json, options);
  CHECK(status.ok());  // every result of ours can be printed
  return json;
}

}  // namespace

std::string Report(const v1::JobSpec& canonical, const v1::JobResult& result, ReportFormat format) {
  const std::string spec_sha256 = SpecSha256Hex(canonical);
  const std::string result_sha256 = ResultSha256Hex(result);
  if (format == ReportFormat::kJson) {
    return absl::StrCat("{\"spec_sha256\":\"", spec_sha256, "\",\"result_sha256\":\"", result_sha256,
                        "\",\"result\":", Json(result), "}\n");
  }
  std::string text;
  google::protobuf::TextFormat::PrintToString(result, &text);
  return absl::StrCat("# spec_sha256: ", spec_sha256, "\n# result_sha256: ", result_sha256, "\n", text);
}

}  // namespace dmfrag::job
