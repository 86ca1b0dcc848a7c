#include "client/command/names.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

constexpr std::string_view kExperiments = "experiments/";
constexpr std::string_view kJobs = "jobs/";
// Longer names are nobody's.
constexpr size_t kMostDigits = 19;

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() <= kMostDigits &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

absl::StatusOr<std::string> NewestExperiment(Connection& connection) {
  v1::ListExperimentsRequest request;
  request.set_page_size(1);
  ASSIGN_OR_RETURN(
      const v1::ListExperimentsResponse response,
      connection.Call(connection.experiments(), &v1::Experiments::StubInterface::ListExperiments, request));
  if (response.experiments().empty()) {
    return absl::NotFoundError("there is no experiment yet; submit one with: dmfrag submit FILE");
  }
  return response.experiments(0).name();
}

}  // namespace

absl::StatusOr<std::string> ResolveExperiment(Connection& connection, const std::string& written) {
  if (written == "last") return NewestExperiment(connection);
  std::string_view id = written;
  if (id.starts_with(kExperiments)) id.remove_prefix(kExperiments.size());
  if (id.starts_with('e')) id.remove_prefix(1);
  if (!IsNumber(id)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", written, "\" names no experiment; write experiments/1, 1, e1 or last"));
  }
  return absl::StrCat("experiments/", std::string(id));
}

absl::StatusOr<std::string> ResolveJob(const std::string& written) {
  std::string_view id = written;
  if (id.starts_with(kJobs)) id.remove_prefix(kJobs.size());
  if (!IsNumber(id))
    return absl::InvalidArgumentError(absl::StrCat("\"", written, "\" names no job; write jobs/42 or 42"));
  return absl::StrCat("jobs/", std::string(id));
}

std::string NewRequestId() {
  std::random_device device;
  const auto half = [&device] { return uint64_t{device()} << 32 | device(); };
  // The bits of version 4 and of the variant.
  const uint64_t high = (half() & ~uint64_t{0xf000}) | 0x4000;
  const uint64_t low = (half() & ~(uint64_t{3} << 62)) | uint64_t{1} << 63;
  return absl::StrFormat("%08x-%04x-%04x-%04x-%012x", high >> 32, high >> 16 & 0xffff, high & 0xffff, low >> 48,
                         low & 0xffffffffffff);
}

}  // namespace dmfrag::client
