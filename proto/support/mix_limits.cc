#include "proto/support/mix_limits.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "proto/support/range_check.h"
#include "proto/support/spelling.h"
#include "proto/support/value_name.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

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

// Values of a figure: its own, or those that its name says.
Bounds BoundsOf(const FieldDescriptor& field) {
  const v1::Figure& figure = field.options().GetExtension(v1::figure);
  if (figure.max() != 0) return {.low = figure.min(), .high = figure.max()};
  if (field.name() == "interval_us") return {.low = 1, .high = kYearUs, .is_time = true};
  if (field.name() == "lifetime_us") return {.low = 0, .high = kYearUs, .is_time = true};
  return {.low = 1, .high = kMaxPagesOfObject};
}

bool HasDefault(const FieldDescriptor& field) { return field.options().HasExtension(v1::frozen_default); }

// What has no default must be chosen.
absl::Status CheckChosen(const std::string& path, const Message& user, const FieldDescriptor& field) {
  if (HasDefault(field) || user.GetReflection()->GetEnumValue(user, &field) != 0) return absl::OkStatus();
  std::vector<std::string> names;
  for (int i = 1; i < field.enum_type()->value_count(); ++i) names.push_back(ValueName(*field.enum_type()->value(i)));
  return WrongField(path, "is required; " + AllowedNames("", names));
}

absl::Status CheckFigure(const std::string& path, const Message& user, const FieldDescriptor& field) {
  const Reflection& reflection = *user.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      if (!reflection.HasField(user, &field) && HasDefault(field)) return absl::OkStatus();
      const Message& distribution = reflection.GetMessage(user, &field);
      return CheckDistribution(path, static_cast<const v1::Distribution&>(distribution), BoundsOf(field));
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      if (!reflection.HasField(user, &field)) return absl::OkStatus();
      const Bounds bounds = BoundsOf(field);
      return CheckRange(path, reflection.GetUInt32(user, &field), bounds.low, bounds.high);
    }
    case FieldDescriptor::CPPTYPE_ENUM:
      return CheckChosen(path, user, field);
    default:
      return absl::OkStatus();  // a bool may be either
  }
}

// Every figure of a kind of user (users.proto).
absl::Status CheckFigures(const std::string& path, const Message& user) {
  for (int i = 0; i < user.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *user.GetDescriptor()->field(i);
    RETURN_IF_ERROR(CheckFigure(absl::StrCat(path, ".", field.name()), user, field));
  }
  return absl::OkStatus();
}

bool IsUserName(const std::string& name) {
  if (name.empty() || name.size() > 32 || !absl::ascii_islower(name[0])) return false;
  for (const char c : name) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '_' && c != '-') return false;
  }
  return true;
}

absl::Status CheckKind(const std::string& path, const v1::User& user) {
  const FieldDescriptor* kind = KindOf(user);
  if (kind == nullptr) return WrongField(path, "needs a kind; " + AllowedNames("", UserKindNames()));
  return CheckFigures(absl::StrCat(path, ".", kind->name()), user.GetReflection()->GetMessage(user, kind));
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

const FieldDescriptor* KindOf(const v1::User& user) {
  return user.GetReflection()->GetOneofFieldDescriptor(user, v1::User::descriptor()->FindOneofByName("kind"));
}

v1::UserCategory CategoryOf(const v1::User& user) {
  return KindOf(user)->message_type()->options().GetExtension(v1::user_kind).category();
}

std::vector<std::string> UserKindNames() {
  const google::protobuf::OneofDescriptor& kinds = *v1::User::descriptor()->FindOneofByName("kind");
  std::vector<std::string> names;
  for (int i = 0; i < kinds.field_count(); ++i) {
    if (!kinds.field(i)->options().GetExtension(v1::planned)) names.push_back(kinds.field(i)->name());
  }
  return names;
}

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
