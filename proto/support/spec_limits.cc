#include "proto/support/spec_limits.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "proto/support/mix_limits.h"
#include "proto/support/range_check.h"
#include "proto/support/sha256.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kTiB = uint64_t{1} << 40;
constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kMinMemoryBytes = 256 * kMiB;
constexpr uint64_t kMaxMemoryBytes = 64 * kTiB;
constexpr uint64_t kYearUs = uint64_t{366} * 24 * 3600 * 1000000;
constexpr int kMaxRanges = 4096;

absl::Status CheckLayout(const v1::MachineSpec& machine) {
  if (machine.has_memory_bytes())
    return WrongField("machine.memory_bytes", "must be left out where machine.e820 gives the layout");
  RETURN_IF_ERROR(CheckRange("machine.e820 (ranges)", machine.e820_size(), 1, kMaxRanges));
  uint64_t end = 0;
  uint64_t sum = 0;
  for (int i = 0; i < machine.e820_size(); ++i) {
    const std::string path = absl::StrCat("machine.e820[", i, "]");
    const v1::MemoryRange& range = machine.e820(i);
    if (range.start_bytes() < end)
      return WrongField(path, "starts below the end of the one before; sort and join the ranges");
    if (range.end_bytes() <= range.start_bytes()) return WrongField(path, "end_bytes must be greater than start_bytes");
    if (range.end_bytes() > 2 * kMaxMemoryBytes) return WrongField(path, "ends above 128 TiB");
    end = range.end_bytes();
    sum += range.end_bytes() - range.start_bytes();
  }
  return CheckRange("machine.e820 (sum in bytes)", sum, kMiB, kMaxMemoryBytes);
}

absl::Status CheckMachine(const v1::MachineSpec& machine) {
  if (!machine.e820().empty()) RETURN_IF_ERROR(CheckLayout(machine));
  if (machine.has_memory_bytes()) {
    RETURN_IF_ERROR(CheckRange("machine.memory_bytes", machine.memory_bytes(), kMinMemoryBytes, kMaxMemoryBytes));
    if (machine.memory_bytes() % kPageBytes != 0)
      return WrongField("machine.memory_bytes", "must be a multiple of 4096");
  }
  if (machine.has_cpus()) RETURN_IF_ERROR(CheckRange("machine.cpus", machine.cpus(), 1, 4096));
  return absl::OkStatus();
}

absl::Status CheckCache(const v1::CacheSpec& cache) {
  if (cache.type_case() == v1::CacheSpec::TYPE_NOT_SET)
    return WrongField("cache", "is required; for example none or global");
  if (!cache.has_global()) return absl::OkStatus();
  const v1::CacheOptions& options = cache.global().options();
  RETURN_IF_ERROR(CheckRange("cache.global.options.refill_order", options.refill_order(), 0, 9));
  return CheckRange("cache.global.options.shrink_below_free_per_mille", options.shrink_below_free_per_mille(), 0, 1000);
}

absl::Status CheckWorkload(const v1::WorkloadSpec& workload) {
  switch (workload.source_case()) {
    case v1::WorkloadSpec::kMix:
      return CheckMix(workload.mix());
    case v1::WorkloadSpec::kReplay: {
      const absl::Status digest = Sha256FromHex(workload.replay().capture_sha256()).status();
      return digest.ok() ? digest : WrongField("workload.replay.capture_sha256", std::string(digest.message()));
    }
    case v1::WorkloadSpec::kNoop:
      return absl::OkStatus();
    case v1::WorkloadSpec::kPreset:  // inlined by Canonicalize
    case v1::WorkloadSpec::SOURCE_NOT_SET:
      break;
  }
  return WrongField("workload", "is required; for example the preset secretmem");
}

absl::Status CheckLength(const v1::LengthSpec& length) {
  RETURN_IF_ERROR(CheckRange("length.duration_us", length.duration_us(), 0, 10 * kYearUs));
  RETURN_IF_ERROR(CheckRange("length.warmup_us", length.warmup_us(), 0, 10 * kYearUs));
  return CheckRange("length.sample_interval_us", length.sample_interval_us(), 0, 10 * kYearUs);
}

}  // namespace

absl::Status CheckLimits(const v1::JobSpec& spec) {
  RETURN_IF_ERROR(CheckMachine(spec.machine()));
  RETURN_IF_ERROR(CheckCache(spec.cache()));
  RETURN_IF_ERROR(CheckWorkload(spec.workload()));
  return CheckLength(spec.length());
}

}  // namespace dmfrag
