#include "server/expansion/expansion.h"

#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/support/canonical.h"
#include "proto/support/sha256.h"
#include "proto/support/spec_captures.h"
#include "server/expansion/field_path.h"
#include "third_party/abseil_extras/check.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::server {
namespace {

constexpr uint32_t kMaxReplicates = 100'000;
constexpr size_t kMaxSourceBytes = size_t{1} << 20;
constexpr int kMaxLabels = 64;

absl::Status Wrong(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

absl::Status CheckAxis(const v1::Axis& axis, const std::string& path) {
  const auto field = FieldPath::Parse(*v1::JobSpec::descriptor(), axis.path());
  if (!field.ok()) return Wrong(path + ".path", std::string(field.status().message()));
  if (axis.values().empty()) return Wrong(path, "has no values; give at least one");
  if (axis.values_size() > Expansion::kMaxAxisValues) {
    return Wrong(
        path, absl::StrCat("has ", axis.values_size(), " values; at most ", Expansion::kMaxAxisValues, " are allowed"));
  }
  std::set<std::string> labels;
  for (int i = 0; i < axis.values_size(); ++i) {
    const std::string value_path = absl::StrCat(path, ".values[", i, "]");
    const std::string& label = axis.values(i).label();
    if (label.empty() || label.size() > 64) return Wrong(value_path + ".label", "must have 1 to 64 characters");
    if (!labels.insert(label).second)
      return Wrong(value_path + ".label", absl::StrCat("\"", label, "\" is there twice"));
    if (!field->IsSetIn(axis.values(i).spec()))
      return Wrong(value_path + ".spec", absl::StrCat("does not set ", axis.path()));
  }
  return absl::OkStatus();
}

bool Overlap(const std::string& a, const std::string& b) {
  return a == b || absl::StartsWith(a, b + ".") || absl::StartsWith(b, a + ".");
}

absl::Status CheckAxes(const v1::Experiment& experiment) {
  if (experiment.axes_size() > Expansion::kMaxAxes) {
    return Wrong("axes",
                 absl::StrCat("there are ", experiment.axes_size(), "; at most ", Expansion::kMaxAxes, " are allowed"));
  }
  for (int i = 0; i < experiment.axes_size(); ++i) {
    RETURN_IF_ERROR(CheckAxis(experiment.axes(i), absl::StrCat("axes[", i, "]")));
    for (int k = 0; k < i; ++k) {
      if (Overlap(experiment.axes(i).path(), experiment.axes(k).path())) {
        return Wrong(absl::StrCat("axes[", i, "].path"),
                     absl::StrCat("\"", experiment.axes(i).path(), "\" and axes[", k, "] \"", experiment.axes(k).path(),
                                  "\" change the same field"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFrame(const v1::Experiment& experiment) {
  if (experiment.display_name().empty() || experiment.display_name().size() > 128) {
    return Wrong("display_name", "must have 1 to 128 characters");
  }
  if (experiment.replicates() > kMaxReplicates) {
    return Wrong("replicates", absl::StrCat(experiment.replicates(), " is more than ", kMaxReplicates));
  }
  if (experiment.source_text().size() > kMaxSourceBytes) return Wrong("source_text", "is longer than 1 MiB");
  if (experiment.labels_size() > kMaxLabels) return Wrong("labels", "there are more than 64");
  std::set<std::string> keys;
  for (const v1::Label& label : experiment.labels()) {
    if (label.key().empty() || label.key().size() > 63) return Wrong("labels", "a key must have 1 to 63 characters");
    if (label.value().size() > 256) return Wrong("labels." + label.key(), "has more than 256 characters");
    if (!keys.insert(label.key()).second) return Wrong("labels." + label.key(), "is there twice");
  }
  return absl::OkStatus();
}

}  // namespace

Expansion::Expansion(v1::Experiment experiment) : experiment_(std::move(experiment)) {
  experiment_.clear_source_text();  // kept by the store; of no use here
  replicates_ = experiment_.replicates() == 0 ? 1 : experiment_.replicates();
}

Expansion Expansion::Restore(const v1::Experiment& experiment) {
  Expansion expansion(experiment);
  for (const v1::Axis& axis : experiment.axes()) expansion.points_ *= axis.values_size();
  return expansion;
}

absl::StatusOr<Expansion> Expansion::Create(const v1::Experiment& experiment) {
  RETURN_IF_ERROR(CheckFrame(experiment));
  RETURN_IF_ERROR(CheckAxes(experiment));
  Expansion expansion(experiment);
  for (const v1::Axis& axis : experiment.axes()) {
    expansion.points_ *= axis.values_size();
    if (expansion.jobs() > kMaxJobs) {
      return Wrong("axes",
                   absl::StrCat("the experiment has more than ", kMaxJobs, " jobs; make axes or replicates smaller"));
    }
  }
  if (expansion.jobs() > kMaxJobs) {
    return Wrong("replicates",
                 absl::StrCat("the experiment has more than ", kMaxJobs, " jobs; make axes or replicates smaller"));
  }
  if (expansion.points_ <= kMaxPointsChecked) {
    for (int64_t point = 0; point < expansion.points_; ++point) RETURN_IF_ERROR(expansion.PointSpec(point).status());
    return expansion;
  }
  int64_t stride = expansion.points_;
  for (const v1::Axis& axis : experiment.axes()) {
    stride /= axis.values_size();
    for (int64_t i = 0; i < axis.values_size(); ++i) RETURN_IF_ERROR(expansion.PointSpec(i * stride).status());
  }
  return expansion;
}

std::vector<int64_t> Expansion::Coordinates(int64_t point) const {
  CHECK(point >= 0 && point < points_);
  std::vector<int64_t> coordinates(static_cast<size_t>(experiment_.axes_size()));
  for (size_t i = coordinates.size(); i-- > 0;) {
    const int64_t size = experiment_.axes(static_cast<int>(i)).values_size();
    coordinates[i] = point % size;
    point /= size;
  }
  return coordinates;
}

absl::StatusOr<v1::JobSpec> Expansion::PointSpec(int64_t point) const {
  v1::JobSpec spec = experiment_.base();
  const std::vector<int64_t> coordinates = Coordinates(point);
  for (int i = 0; i < experiment_.axes_size(); ++i) {
    const v1::Axis& axis = experiment_.axes(i);
    ASSIGN_OR_RETURN(const FieldPath field, FieldPath::Parse(*v1::JobSpec::descriptor(), axis.path()));
    field.Copy(axis.values(static_cast<int>(coordinates[static_cast<size_t>(i)])).spec(), spec);
  }
  return Canonicalize(spec);
}

std::vector<std::string> Expansion::Labels(int64_t point) const {
  std::vector<std::string> labels;
  const std::vector<int64_t> coordinates = Coordinates(point);
  for (int i = 0; i < experiment_.axes_size(); ++i) {
    labels.push_back(experiment_.axes(i).values(static_cast<int>(coordinates[static_cast<size_t>(i)])).label());
  }
  return labels;
}

std::set<std::string> Expansion::Captures() const {
  std::set<std::string> captures;
  const auto add = [&](const v1::JobSpec& spec) {
    for (const std::string& capture : CapturesOf(spec)) captures.insert(capture);
  };
  add(experiment_.base());
  for (const v1::Axis& axis : experiment_.axes()) {
    for (const v1::AxisValue& value : axis.values()) add(value.spec());
  }
  return captures;
}

uint64_t Expansion::ReplicateSeed(uint64_t base_seed, uint64_t replicate) {
  std::string input = "dmfrag.replicate\n";
  for (const uint64_t number : {base_seed, replicate}) {
    for (int shift = 0; shift < 64; shift += 8) input.push_back(static_cast<char>(number >> shift));
  }
  const std::string digest = Sha256(input);
  uint64_t seed = 0;
  for (int i = 7; i >= 0; --i) seed = (seed << 8) | static_cast<unsigned char>(digest[static_cast<size_t>(i)]);
  return seed;
}

}  // namespace dmfrag::server
