#include "proto/support/mix_limits.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proto/support/range_check.h"
#include "proto/support/spelling.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag {
namespace {

constexpr uint64_t kSecondUs = 1000000;
constexpr uint64_t kYearUs = 366 * 24 * 3600 * kSecondUs;
constexpr uint64_t kMaxPagesOfObject = uint64_t{1} << 24;  // 64 GiB in one object
constexpr uint64_t kMaxRateThousandths = 1000000;
constexpr uint64_t kMaxWeight = 1000000000;
constexpr int kMaxTableValues = 4096;
constexpr int kMaxUsers = 64;
constexpr int kMaxPhases = 32;

// What a distribution's values may be.
struct Bounds {
  uint64_t low = 0;
  uint64_t high = 0;
  bool is_time = false;

  absl::Status Check(const std::string& path, uint64_t value, uint64_t least, uint64_t most) const {
    return is_time ? CheckMicroseconds(path, value, least, most) : CheckRange(path, value, least, most);
  }
  std::string Show(uint64_t value) const { return is_time ? FormatMicroseconds(value) : std::to_string(value); }
};

constexpr Bounds kIntervals = {.low = 1, .high = kYearUs, .is_time = true};
constexpr Bounds kLifetimes = {.low = 0, .high = kYearUs, .is_time = true};
constexpr Bounds kProgramPages = {.low = 1, .high = 512};
constexpr Bounds kImageBytes = {.low = 1, .high = uint64_t{2} << 20};  // a pack
constexpr Bounds kSizes = {.low = 1, .high = kMaxPagesOfObject};

absl::Status CheckLognormal(const std::string& path, const v1::LognormalDistribution& d, const Bounds& bounds) {
  const uint64_t least = std::max<uint64_t>(bounds.low, 1);
  RETURN_IF_ERROR(bounds.Check(path + ".median", d.median(), least, bounds.high));
  switch (d.spread_case()) {
    case v1::LognormalDistribution::kSigmaThousandths:
      RETURN_IF_ERROR(CheckThousandths(path + ".sigma_thousandths", d.sigma_thousandths(), 1, 10000));
      break;
    case v1::LognormalDistribution::kP99:
      RETURN_IF_ERROR(bounds.Check(path + ".p99", d.p99(), d.median(), bounds.high));
      break;
    case v1::LognormalDistribution::SPREAD_NOT_SET:
      return WrongField(path, "needs a spread: sigma or p99");
  }
  return d.has_max() ? bounds.Check(path + ".max", d.max(), d.median(), bounds.high) : absl::OkStatus();
}

absl::Status CheckPareto(const std::string& path, const v1::ParetoDistribution& d, const Bounds& bounds) {
  RETURN_IF_ERROR(bounds.Check(path + ".min", d.min(), std::max<uint64_t>(bounds.low, 1), bounds.high));
  const std::string alpha_path = path + ".alpha_thousandths";
  RETURN_IF_ERROR(CheckThousandths(alpha_path, d.alpha_thousandths(), 100, 100000));
  if (d.has_max()) return bounds.Check(path + ".max", d.max(), d.min(), bounds.high);
  if (d.alpha_thousandths() > 1000) return absl::OkStatus();
  return WrongField(alpha_path, absl::StrCat(FormatThousandths(d.alpha_thousandths()),
                                             " gives no mean; write more than 1, or a max beside it"));
}

absl::Status CheckEmpirical(const std::string& path, const v1::EmpiricalDistribution& d, const Bounds& bounds) {
  RETURN_IF_ERROR(CheckRange(path + ".values (count)", d.values_size(), 1, kMaxTableValues));
  for (int i = 0; i < d.values_size(); ++i) {
    const std::string value_path = absl::StrCat(path, ".values[", i, "]");
    RETURN_IF_ERROR(bounds.Check(value_path, d.values(i), bounds.low, bounds.high));
    if (i > 0 && d.values(i) <= d.values(i - 1)) {
      return WrongField(value_path, absl::StrCat(bounds.Show(d.values(i)), " comes behind ",
                                                 bounds.Show(d.values(i - 1)), "; values must ascend, each once"));
    }
  }
  if (d.weights_size() != d.values_size()) {
    return WrongField(path + ".weights", absl::StrCat("there are ", d.weights_size(), " for ", d.values_size(),
                                                      " values; write one for each value"));
  }
  for (int i = 0; i < d.weights_size(); ++i) {
    RETURN_IF_ERROR(CheckRange(absl::StrCat(path, ".weights[", i, "]"), d.weights(i), 1, kMaxWeight));
  }
  return absl::OkStatus();
}

absl::Status CheckDistribution(const std::string& path, const v1::Distribution& d, const Bounds& bounds) {
  switch (d.shape_case()) {
    case v1::Distribution::kConstant:
      return bounds.Check(path + ".constant.value", d.constant().value(), bounds.low, bounds.high);
    case v1::Distribution::kUniform:
      RETURN_IF_ERROR(bounds.Check(path + ".uniform.min", d.uniform().min(), bounds.low, bounds.high));
      return bounds.Check(path + ".uniform.max", d.uniform().max(), d.uniform().min(), bounds.high);
    case v1::Distribution::kExponential:
      return bounds.Check(path + ".exponential.mean", d.exponential().mean(), 1, bounds.high);
    case v1::Distribution::kLognormal:
      return CheckLognormal(path + ".lognormal", d.lognormal(), bounds);
    case v1::Distribution::kPareto:
      return CheckPareto(path + ".pareto", d.pareto(), bounds);
    case v1::Distribution::kEmpirical:
      return CheckEmpirical(path + ".empirical", d.empirical(), bounds);
    case v1::Distribution::SHAPE_NOT_SET:
      break;
  }
  return WrongField(path, "needs a shape: constant, uniform, exponential, lognormal, pareto or empirical");
}

absl::Status CheckSecretmem(const std::string& path, const v1::SecretmemUser& user) {
  if (user.has_interval_us()) RETURN_IF_ERROR(CheckDistribution(path + ".interval_us", user.interval_us(), kIntervals));
  if (user.has_size_pages()) {
    RETURN_IF_ERROR(CheckDistribution(path + ".size_pages", user.size_pages(), kSizes));
  }
  if (!user.has_lifetime_us()) return absl::OkStatus();
  return CheckDistribution(path + ".lifetime_us", user.lifetime_us(), kLifetimes);
}

absl::Status CheckOrdinary(const std::string& path, const v1::OrdinaryUser& user) {
  if (user.migratetype() == v1::MIGRATETYPE_UNSPECIFIED) {
    return WrongField(path + ".migratetype", "is required; unmovable, movable or reclaimable");
  }
  RETURN_IF_ERROR(CheckRange(path + ".order", user.order(), 0, 10));
  RETURN_IF_ERROR(CheckDistribution(path + ".interval_us", user.interval_us(), kIntervals));
  RETURN_IF_ERROR(CheckDistribution(path + ".size_allocations", user.size_allocations(), kSizes));
  return CheckDistribution(path + ".lifetime_us", user.lifetime_us(), kLifetimes);
}

absl::Status CheckBpf(const std::string& path, const v1::BpfUser& user) {
  if (user.has_interval_us()) RETURN_IF_ERROR(CheckDistribution(path + ".interval_us", user.interval_us(), kIntervals));
  if (user.has_size_pages()) {
    RETURN_IF_ERROR(CheckDistribution(path + ".size_pages", user.size_pages(), kProgramPages));
  }
  if (user.has_image_bytes()) {
    RETURN_IF_ERROR(CheckDistribution(path + ".image_bytes", user.image_bytes(), kImageBytes));
  }
  if (!user.has_lifetime_us()) return absl::OkStatus();
  return CheckDistribution(path + ".lifetime_us", user.lifetime_us(), kLifetimes);
}

absl::Status CheckPageCache(const std::string& path, const v1::PageCacheUser& user) {
  if (user.has_interval_us()) RETURN_IF_ERROR(CheckDistribution(path + ".interval_us", user.interval_us(), kIntervals));
  if (user.has_size_pages()) {
    RETURN_IF_ERROR(CheckDistribution(path + ".size_pages", user.size_pages(), kSizes));
  }
  return CheckRange(path + ".read_again_percent", user.read_again_percent(), 0, 100);
}

bool IsUserName(const std::string& name) {
  if (name.empty() || name.size() > 32 || !absl::ascii_islower(name[0])) return false;
  for (const char c : name) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '_' && c != '-') return false;
  }
  return true;
}

absl::Status CheckKind(const std::string& path, const v1::User& user) {
  switch (user.kind_case()) {
    case v1::User::kSecretmem:
      return CheckSecretmem(path + ".secretmem", user.secretmem());
    case v1::User::kOrdinary:
      return CheckOrdinary(path + ".ordinary", user.ordinary());
    case v1::User::kBpf:
      return CheckBpf(path + ".bpf", user.bpf());
    case v1::User::kPageCache:
      return CheckPageCache(path + ".page_cache", user.page_cache());
    case v1::User::KIND_NOT_SET:
      break;
  }
  return WrongField(path, "needs a kind: secretmem, ordinary, bpf or page_cache");
}

absl::Status CheckWindow(const std::string& path, const v1::Phase& phase) {
  RETURN_IF_ERROR(CheckMicroseconds(path + ".start_us", phase.start_us(), 0, 10 * kYearUs));
  RETURN_IF_ERROR(CheckMicroseconds(path + ".duration_us", phase.duration_us(), 1, 10 * kYearUs));
  if (phase.every_us() == 0) return absl::OkStatus();
  if (phase.every_us() < phase.duration_us()) {
    return WrongField(path + ".every_us",
                      absl::StrCat(FormatMicroseconds(phase.every_us()), " is shorter than the duration, ",
                                   FormatMicroseconds(phase.duration_us()), "; at least as long, or 0 for once"));
  }
  return CheckMicroseconds(path + ".every_us", phase.every_us(), kSecondUs, 10 * kYearUs);
}

absl::Status CheckPhase(const std::string& path, const v1::Phase& phase, const std::vector<std::string>& users) {
  RETURN_IF_ERROR(CheckWindow(path, phase));
  if (phase.has_rate_thousandths()) {
    RETURN_IF_ERROR(CheckThousandths(path + ".rate_thousandths", phase.rate_thousandths(), 0, kMaxRateThousandths));
  }
  std::set<std::string> seen;
  for (const v1::PhaseRate& rate : phase.rates()) {
    if (!IsUserName(rate.user())) {
      return WrongField(path + ".rates", absl::StrCat("\"", rate.user(), "\" is no user; ", AllowedNames("", users)));
    }
    const std::string rate_path = absl::StrCat(path, ".rates[", rate.user(), "]");
    if (std::find(users.begin(), users.end(), rate.user()) == users.end()) {
      return WrongField(rate_path, absl::StrCat("the mix has no such user; ", AllowedNames(rate.user(), users)));
    }
    if (!seen.insert(rate.user()).second) return WrongField(rate_path, "is there twice; leave one");
    if (!rate.has_rate_thousandths()) return WrongField(rate_path, "needs a rate; 0 is off, 1 as ever");
    RETURN_IF_ERROR(CheckThousandths(rate_path, rate.rate_thousandths(), 0, kMaxRateThousandths));
  }
  return absl::OkStatus();
}

// Each element has a name of its own.
template <typename Elements>
absl::Status CheckNamesOf(const std::string& path, const Elements& elements) {
  std::set<std::string> names;
  for (int i = 0; i < elements.size(); ++i) {
    const std::string name_path = absl::StrCat(path, "[", i, "].name");
    const std::string& name = elements[i].name();
    if (!IsUserName(name)) return WrongField(name_path, "must be 1 to 32 of a-z, 0-9, _ and -, a letter first");
    if (!names.insert(name).second) return WrongField(name_path, absl::StrCat("\"", name, "\" is there twice"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckMixNames(const v1::Mix& mix, const std::string& place) {
  RETURN_IF_ERROR(CheckNamesOf(place + ".users", mix.users()));
  return CheckNamesOf(place + ".phases", mix.phases());
}

absl::Status CheckMix(const v1::Mix& mix, const std::string& place) {
  RETURN_IF_ERROR(CheckRange(place + ".users (count)", mix.users_size(), 1, kMaxUsers));
  RETURN_IF_ERROR(CheckRange(place + ".phases (count)", mix.phases_size(), 0, kMaxPhases));
  RETURN_IF_ERROR(CheckMixNames(mix, place));
  std::vector<std::string> names;
  for (const v1::User& user : mix.users()) {
    const std::string path = absl::StrCat(place, ".users[", user.name(), "]");
    RETURN_IF_ERROR(CheckKind(path, user));
    if (user.has_rate_thousandths()) {
      RETURN_IF_ERROR(CheckThousandths(path + ".rate_thousandths", user.rate_thousandths(), 1, kMaxRateThousandths));
    }
    names.push_back(user.name());
  }
  for (const v1::Phase& phase : mix.phases()) {
    RETURN_IF_ERROR(CheckPhase(absl::StrCat(place, ".phases[", phase.name(), "]"), phase, names));
  }
  return absl::OkStatus();
}

}  // namespace dmfrag
