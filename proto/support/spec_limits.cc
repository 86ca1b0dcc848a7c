#include "proto/support/spec_limits.h"

#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
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
constexpr uint64_t kMaxPagesOfObject = uint64_t{1} << 24;  // 64 GiB in one object
constexpr int kMaxRanges = 4096;
constexpr int kMaxUsers = 64;

absl::Status Wrong(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

absl::Status InRange(const std::string& path, uint64_t value, uint64_t low, uint64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return Wrong(path, absl::StrCat(value, " is out of range; allowed are ", low, " to ", high));
}

absl::Status CheckLayout(const v1::MachineSpec& machine) {
  if (machine.has_memory_bytes())
    return Wrong("machine.memory_bytes", "must be left out where machine.e820 gives the layout");
  RETURN_IF_ERROR(InRange("machine.e820 (ranges)", machine.e820_size(), 1, kMaxRanges));
  uint64_t end = 0;
  uint64_t sum = 0;
  for (int i = 0; i < machine.e820_size(); ++i) {
    const std::string path = absl::StrCat("machine.e820[", i, "]");
    const v1::MemoryRange& range = machine.e820(i);
    if (range.start_bytes() < end)
      return Wrong(path, "starts below the end of the one before; sort and join the ranges");
    if (range.end_bytes() <= range.start_bytes()) return Wrong(path, "end_bytes must be greater than start_bytes");
    if (range.end_bytes() > 2 * kMaxMemoryBytes) return Wrong(path, "ends above 128 TiB");
    end = range.end_bytes();
    sum += range.end_bytes() - range.start_bytes();
  }
  return InRange("machine.e820 (sum in bytes)", sum, kMiB, kMaxMemoryBytes);
}

absl::Status CheckCost(const v1::MachineSpec& machine) {
  // A cost whose fields all have their default, 0, is none.
  const v1::CostSpec& cost = machine.cost();
  const bool is_default = cost.isolated_cpus() == 0 && cost.sent_interrupts_per_mille() == 0 &&
                          cost.kernel_working_set_bytes() == 0 && cost.user_4k_working_set_bytes() == 0 &&
                          cost.user_2m_working_set_bytes() == 0;
  if (is_default) return absl::OkStatus();
  if (machine.cpu_profile() == v1::CPU_PROFILE_UNSPECIFIED) {
    return Wrong("machine.cost", "needs machine.cpu_profile; give one, for example zen_3, or leave the cost out");
  }
  constexpr uint32_t kDefaultCpus = 4;
  const uint32_t cpus = machine.has_cpus() ? machine.cpus() : kDefaultCpus;
  RETURN_IF_ERROR(InRange("machine.cost.isolated_cpus", cost.isolated_cpus(), 0, cpus - 1));
  RETURN_IF_ERROR(InRange("machine.cost.sent_interrupts_per_mille", cost.sent_interrupts_per_mille(), 0, 1000));
  RETURN_IF_ERROR(
      InRange("machine.cost.kernel_working_set_bytes", cost.kernel_working_set_bytes(), 0, kMaxMemoryBytes));
  RETURN_IF_ERROR(
      InRange("machine.cost.user_4k_working_set_bytes", cost.user_4k_working_set_bytes(), 0, kMaxMemoryBytes));
  return InRange("machine.cost.user_2m_working_set_bytes", cost.user_2m_working_set_bytes(), 0, kMaxMemoryBytes);
}

absl::Status CheckMachine(const v1::MachineSpec& machine) {
  if (!machine.e820().empty()) RETURN_IF_ERROR(CheckLayout(machine));
  if (machine.has_memory_bytes()) {
    RETURN_IF_ERROR(InRange("machine.memory_bytes", machine.memory_bytes(), kMinMemoryBytes, kMaxMemoryBytes));
    if (machine.memory_bytes() % kPageBytes != 0) return Wrong("machine.memory_bytes", "must be a multiple of 4096");
  }
  if (machine.has_cpus()) RETURN_IF_ERROR(InRange("machine.cpus", machine.cpus(), 1, 4096));
  return CheckCost(machine);
}

absl::Status CheckCache(const v1::CacheSpec& cache) {
  if (cache.type_case() == v1::CacheSpec::TYPE_NOT_SET)
    return Wrong("cache", "is required; for example none or global");
  if (!cache.has_global()) return absl::OkStatus();
  const v1::CacheOptions& options = cache.global().options();
  RETURN_IF_ERROR(InRange("cache.global.options.refill_order", options.refill_order(), 0, 9));
  return InRange("cache.global.options.shrink_below_free_per_mille", options.shrink_below_free_per_mille(), 0, 1000);
}

absl::Status CheckDistribution(const std::string& path, const v1::Distribution& d, uint64_t low, uint64_t high) {
  switch (d.shape_case()) {
    case v1::Distribution::kConstant:
      return InRange(path + ".constant.value", d.constant().value(), low, high);
    case v1::Distribution::kUniform:
      RETURN_IF_ERROR(InRange(path + ".uniform.min", d.uniform().min(), low, high));
      return InRange(path + ".uniform.max", d.uniform().max(), d.uniform().min(), high);
    case v1::Distribution::kExponential:
      return InRange(path + ".exponential.mean", d.exponential().mean(), 1, high);
    case v1::Distribution::SHAPE_NOT_SET:
      break;
  }
  return Wrong(path, "needs a shape: constant, uniform or exponential");
}

absl::Status CheckSecretmem(const std::string& path, const v1::SecretmemUser& user) {
  if (user.has_interval_us()) RETURN_IF_ERROR(CheckDistribution(path + ".interval_us", user.interval_us(), 1, kYearUs));
  if (user.has_size_pages()) {
    RETURN_IF_ERROR(CheckDistribution(path + ".size_pages", user.size_pages(), 1, kMaxPagesOfObject));
  }
  if (!user.has_lifetime_us()) return absl::OkStatus();
  return CheckDistribution(path + ".lifetime_us", user.lifetime_us(), 0, kYearUs);
}

absl::Status CheckOrdinary(const std::string& path, const v1::OrdinaryUser& user) {
  if (user.migratetype() == v1::MIGRATETYPE_UNSPECIFIED) {
    return Wrong(path + ".migratetype", "is required; unmovable, movable or reclaimable");
  }
  RETURN_IF_ERROR(InRange(path + ".order", user.order(), 0, 10));
  RETURN_IF_ERROR(CheckDistribution(path + ".interval_us", user.interval_us(), 1, kYearUs));
  RETURN_IF_ERROR(CheckDistribution(path + ".size_allocations", user.size_allocations(), 1, kMaxPagesOfObject));
  return CheckDistribution(path + ".lifetime_us", user.lifetime_us(), 0, kYearUs);
}

bool IsUserName(const std::string& name) {
  if (name.empty() || name.size() > 32 || !absl::ascii_islower(name[0])) return false;
  for (const char c : name) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '_' && c != '-') return false;
  }
  return true;
}

absl::Status CheckMix(const v1::Mix& mix) {
  RETURN_IF_ERROR(InRange("workload.mix.users (count)", mix.users_size(), 1, kMaxUsers));
  std::set<std::string> names;
  for (int i = 0; i < mix.users_size(); ++i) {
    const v1::User& user = mix.users(i);
    const std::string path = absl::StrCat("workload.mix.users[", i, "]");
    if (!IsUserName(user.name())) return Wrong(path + ".name", "must be 1 to 32 of a-z, 0-9, _ and -, a letter first");
    if (!names.insert(user.name()).second)
      return Wrong(path + ".name", absl::StrCat("\"", user.name(), "\" is there twice"));
    switch (user.kind_case()) {
      case v1::User::kSecretmem:
        RETURN_IF_ERROR(CheckSecretmem(path + ".secretmem", user.secretmem()));
        break;
      case v1::User::kOrdinary:
        RETURN_IF_ERROR(CheckOrdinary(path + ".ordinary", user.ordinary()));
        break;
      case v1::User::KIND_NOT_SET:
        return Wrong(path, "needs a kind: secretmem or ordinary");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckWorkload(const v1::WorkloadSpec& workload) {
  switch (workload.source_case()) {
    case v1::WorkloadSpec::kMix:
      return CheckMix(workload.mix());
    case v1::WorkloadSpec::kReplay: {
      const absl::Status digest = Sha256FromHex(workload.replay().capture_sha256()).status();
      return digest.ok() ? digest : Wrong("workload.replay.capture_sha256", std::string(digest.message()));
    }
    case v1::WorkloadSpec::kNoop:
      return absl::OkStatus();
    case v1::WorkloadSpec::kPreset:  // inlined by Canonicalize
    case v1::WorkloadSpec::SOURCE_NOT_SET:
      break;
  }
  return Wrong("workload", "is required; for example the preset secretmem");
}

absl::Status CheckLength(const v1::LengthSpec& length) {
  RETURN_IF_ERROR(InRange("length.duration_us", length.duration_us(), 0, 10 * kYearUs));
  RETURN_IF_ERROR(InRange("length.warmup_us", length.warmup_us(), 0, 10 * kYearUs));
  return InRange("length.sample_interval_us", length.sample_interval_us(), 0, 10 * kYearUs);
}

}  // namespace

absl::Status CheckLimits(const v1::JobSpec& spec) {
  RETURN_IF_ERROR(CheckMachine(spec.machine()));
  RETURN_IF_ERROR(CheckCache(spec.cache()));
  RETURN_IF_ERROR(CheckWorkload(spec.workload()));
  return CheckLength(spec.length());
}

}  // namespace dmfrag
