#include "proto/support/figure_limits.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "dmfrag/v1/annotations.pb.h"
#include "dmfrag/v1/distribution.pb.h"
#include "proto/support/range_check.h"
#include "proto/support/spelling.h"
#include "proto/support/value_name.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr uint64_t kYearUs = uint64_t{366} * 24 * 3600 * 1000000;
constexpr uint64_t kMaxPagesOfObject = uint64_t{1} << 24;  // 64 GiB in one object
constexpr uint64_t kMaxWeight = 1000000000;
constexpr int kMaxTableValues = 4096;

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

// Values of a figure: its own, or those that its name says (pages of an object, if it says nothing).
Bounds BoundsOf(const FieldDescriptor& field) {
  const v1::Figure& figure = field.options().GetExtension(v1::figure);
  if (figure.max() != 0) return {.low = figure.min(), .high = figure.max()};
  if (field.name() == "interval_us") return {.low = 1, .high = kYearUs, .is_time = true};
  if (field.name() == "lifetime_us") return {.low = 0, .high = kYearUs, .is_time = true};
  return {.low = 1, .high = kMaxPagesOfObject};
}

bool HasDefault(const FieldDescriptor& field) { return field.options().HasExtension(v1::frozen_default); }

// What has no default must be chosen.
absl::Status CheckChosen(const std::string& path, const Message& message, const FieldDescriptor& field) {
  if (HasDefault(field) || message.GetReflection()->GetEnumValue(message, &field) != 0) return absl::OkStatus();
  return WrongField(path, "is required; " + AllowedNames("", ValueNames(*field.enum_type())));
}

absl::Status CheckFigure(const std::string& path, const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      if (!reflection.HasField(message, &field) && HasDefault(field)) return absl::OkStatus();
      const Message& distribution = reflection.GetMessage(message, &field);
      return CheckDistribution(path, static_cast<const v1::Distribution&>(distribution), BoundsOf(field));
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      if (!reflection.HasField(message, &field)) return absl::OkStatus();
      const Bounds bounds = BoundsOf(field);
      return CheckRange(path, reflection.GetUInt32(message, &field), bounds.low, bounds.high);
    }
    case FieldDescriptor::CPPTYPE_ENUM:
      return CheckChosen(path, message, field);
    default:
      return absl::OkStatus();  // a bool may be either
  }
}

}  // namespace

absl::Status CheckFigures(const std::string& path, const Message& message) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    RETURN_IF_ERROR(CheckFigure(absl::StrCat(path, ".", field.name()), message, field));
  }
  return absl::OkStatus();
}

}  // namespace dmfrag
