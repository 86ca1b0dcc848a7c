#include "storage/row_checks.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::storage {
namespace {

constexpr char kCapturePrefix[] = "captures/";

template <typename Message>
bool HasUnknownFields(const Message& message) {
  return !message.GetReflection()->GetUnknownFields(message).empty();
}

}  // namespace

absl::Status CheckDigest(const Digest& digest) {
  if (digest.size() == kDigestBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("a digest has ", kDigestBytes, " bytes, not ", digest.size()));
}

absl::Status CheckAttemptEnd(const AttemptEnd& end) {
  if (end.stderr_tail.size() <= kMaxStderrBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("job ", end.job_id, ", attempt ", end.number,
                                                 ": the standard error has ", end.stderr_tail.size(),
                                                 " bytes; keep the last ", kMaxStderrBytes));
}

absl::Status CheckResult(const ResultRow& row) {
  RETURN_IF_ERROR(CheckDigest(row.result_digest));
  const v1::JobResult& result = row.result;
  const bool unknown = HasUnknownFields(result) || HasUnknownFields(result.metrics()) ||
                       std::any_of(result.attributions().begin(), result.attributions().end(),
                                   [](const v1::Attribution& attribution) { return HasUnknownFields(attribution); });
  if (unknown) {
    return absl::InvalidArgumentError(
        absl::StrCat("the result of job ", row.job_id, " has fields that this program does not know"));
  }
  if (const size_t size = result.aged_state_sha256().size(); size != 0 && size != 2 * kDigestBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the result of job ", row.job_id,
                                                   " has a digest of its aged state of ", size, " hex digits, not ",
                                                   2 * kDigestBytes));
  }
  if (result.time_series().ByteSizeLong() > kMaxTimeSeriesBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the time series of job ", row.job_id, " has ",
                                                   result.time_series().ByteSizeLong(), " bytes; coarsen it to ",
                                                   kMaxTimeSeriesBytes));
  }
  return absl::OkStatus();
}

absl::Status CheckJobState(v1::JobState state) {
  if (state == v1::JOB_STATE_SUCCEEDED) {
    return absl::InvalidArgumentError("a job becomes SUCCEEDED by its result alone (InsertResult)");
  }
  if (state != v1::JOB_STATE_UNSPECIFIED && v1::JobState_IsValid(state)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("a job cannot have the state number ", static_cast<int>(state)));
}

absl::StatusOr<Digest> CaptureDigest(const std::string& name) {
  const absl::string_view hex = absl::string_view(name).substr(std::min(name.size(), sizeof(kCapturePrefix) - 1));
  const bool is_hex = hex.size() == 2 * kDigestBytes && hex.find_first_not_of("0123456789abcdef") == hex.npos;
  if (!absl::StartsWith(name, kCapturePrefix) || !is_hex) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", name.substr(0, 80), "\" is no name of a capture: it is \"captures/\" and 64 lower-case hex digits"));
  }
  return absl::HexStringToBytes(hex);
}

}  // namespace dmfrag::storage
