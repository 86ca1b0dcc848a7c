#include "proto/support/names.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "proto/support/sha256.h"

namespace dmfrag {
namespace {

absl::StatusOr<int64_t> ParseNumbered(const std::string& collection, const std::string& name) {
  int64_t id = 0;
  const bool well_formed = absl::StartsWith(name, collection + "/") &&
                           absl::SimpleAtoi(name.substr(collection.size() + 1), &id) && id > 0 &&
                           name == absl::StrCat(collection, "/", id);
  if (well_formed) return id;
  return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is no name: it must look like ", collection, "/1"));
}

}  // namespace

std::string ExperimentName(int64_t id) { return absl::StrCat("experiments/", id); }
std::string JobName(int64_t id) { return absl::StrCat("jobs/", id); }
std::string CaptureName(const std::string& sha256_hex) { return absl::StrCat("captures/", sha256_hex); }

absl::StatusOr<int64_t> ParseExperimentName(const std::string& name) { return ParseNumbered("experiments", name); }
absl::StatusOr<int64_t> ParseJobName(const std::string& name) { return ParseNumbered("jobs", name); }

absl::StatusOr<std::string> ParseCaptureName(const std::string& name) {
  constexpr char kPrefix[] = "captures/";
  if (absl::StartsWith(name, kPrefix)) {
    const std::string hex = name.substr(sizeof(kPrefix) - 1);
    if (Sha256FromHex(hex).ok()) return hex;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", name, "\" is no name: it must be captures/ and 64 lower-case hex digits"));
}

}  // namespace dmfrag
