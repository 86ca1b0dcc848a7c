#include "worker/workload/capture_interrupts.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::workload {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxCpus = 4096;
// Far more than a step can hold, and sums of it stay within 64 bits.
constexpr int64_t kMaxCount = int64_t{1} << 40;

absl::StatusOr<int64_t> ParseCount(const Json& json, const char* what) {
  const auto count = json.get<int64_t>();
  if (count < 0 || count > kMaxCount) {
    return absl::InvalidArgumentError(
        absl::StrCat("capture, ipi: ", what, " is ", count, "; expected 0 to 2^40: the file is damaged"));
  }
  return count;
}

absl::StatusOr<int64_t> OptionalCount(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? absl::StatusOr<int64_t>(0) : ParseCount(*found, key);
}

bool Probes(const Json& events, const char* function) {
  for (const Json& event : events) {
    // Defined as "p:GROUP/NAME FUNCTION...".
    const std::string& definition = event.get_ref<const std::string&>();
    if (definition.find(absl::StrCat("/", function, " ")) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<uint32_t> ParseCpus(const Json& capture) {
  const auto cpus = capture.value("config", Json::object()).value("smp", int64_t{1});
  if (cpus < 1 || cpus > kMaxCpus) {
    return absl::InvalidArgumentError(
        absl::StrCat("capture, config.smp: ", cpus, " processors; expected 1 to ", kMaxCpus));
  }
  return static_cast<uint32_t>(cpus);
}

bool CountsFlushCalls(const Json& capture) {
  const Json events = capture.value("kprobe_events", Json::array());
  return Probes(events, "flush_tlb_all") && Probes(events, "flush_tlb_kernel_range");
}

absl::StatusOr<std::optional<MeasuredInterrupts>> ParseInterrupts(const Json& step, bool flushes_counted) {
  const auto counted = step.find("ipi");
  if (counted == step.end() || !counted->contains("CAL")) return std::nullopt;
  if (counted->at("CAL").size() > kMaxCpus) {
    return absl::InvalidArgumentError("capture, ipi: CAL has more than 4096 processors; the file is damaged");
  }
  MeasuredInterrupts interrupts;
  for (const Json& of_cpu : counted->at("CAL")) {
    ASSIGN_OR_RETURN(const int64_t received, ParseCount(of_cpu, "CAL"));
    interrupts.function_calls += received;
  }
  if (flushes_counted && counted->contains("calls")) {
    const Json& calls = counted->at("calls");
    MeasuredInterrupts::FlushCalls flushes;
    ASSIGN_OR_RETURN(flushes.flush_tlb_all, OptionalCount(calls, "flush_tlb_all"));
    ASSIGN_OR_RETURN(flushes.flush_tlb_kernel_range, OptionalCount(calls, "flush_tlb_kernel_range"));
    interrupts.flushes = flushes;
  }
  return interrupts;
}

}  // namespace dmfrag::workload
