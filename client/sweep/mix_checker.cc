#include "client/sweep/mix_checker.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/sweep/message_reader.h"
#include "proto/support/mix_limits.h"
#include "proto/support/resolve_mix.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// Fields of JobSpec that have a mix.
constexpr std::string_view kWorkload = "workload";
constexpr std::string_view kAgeing = "ageing";

const SourceNode* ValueOf(const SourceNode& map, std::string_view name) {
  for (const SourceEntry& entry : map.entries) {
    if (WithoutUnit(NormalName(entry.key)) == name) return &entry.value;
  }
  return nullptr;
}

bool IsNamed(const SourceNode& item, std::string_view name) {
  const SourceNode* own = ValueOf(item, "name");
  return own != nullptr && own->scalar == name;
}

// The element of a list, or of a map from names, that stands in brackets: its index or its name.
const SourceNode* ElementOf(const SourceNode& list, std::string_view bracketed) {
  for (const SourceEntry& entry : list.entries) {
    if (entry.key == bracketed) return &entry.value;
  }
  for (size_t i = 0; i < list.items.size(); ++i) {
    if (std::to_string(i) == bracketed || IsNamed(list.items[i], bracketed)) return &list.items[i];
  }
  return nullptr;
}

// One step of a path: "users[anon]", or "interval_us".
struct Step {
  std::string name;       // without its unit
  std::string bracketed;  // empty if there are no brackets
};

// Takes the first step off `path`.
Step TakeStep(std::string_view& path) {
  Step step;
  const size_t name_end = std::min(path.find_first_of(".["), path.size());
  step.name = WithoutUnit(path.substr(0, name_end));
  path.remove_prefix(name_end);
  if (path.starts_with('[')) {
    const size_t close = std::min(path.find(']'), path.size() - 1);
    step.bracketed = path.substr(1, close - 1);
    path.remove_prefix(close + 1);
  }
  if (path.starts_with('.')) path.remove_prefix(1);
  return step;
}

// The innermost place of `path` that the file has.
SourcePlace FindPlace(const SourceNode& mix, std::string_view path) {
  const SourceNode* node = &mix;
  while (!path.empty()) {
    const Step step = TakeStep(path);
    const SourceNode* inner = ValueOf(*node, step.name);
    if (inner == nullptr) break;
    node = inner;
    if (step.bracketed.empty()) continue;
    inner = ElementOf(*node, step.bracketed);
    if (inner == nullptr) break;
    node = inner;
  }
  return node->place;
}

// `path` as the file would say it: without units.
std::string SweepPath(std::string_view path) {
  std::string written;
  while (!path.empty()) {
    const Step step = TakeStep(path);
    absl::StrAppend(&written, written.empty() ? "" : ".", step.name);
    if (!step.bracketed.empty()) absl::StrAppend(&written, "[", step.bracketed, "]");
  }
  return written;
}

// `field` of the job spec has the mix.
absl::Status CheckOne(const SourceFile& file, const SourceNode& node, std::string_view field, const v1::Mix& mix) {
  const std::string place = std::string(field) + ".mix";
  const absl::StatusOr<v1::Mix> whole = ResolveMix(mix, place);
  const absl::Status status = whole.ok() ? CheckMix(*whole, place) : whole.status();
  if (status.ok()) return status;
  // "workload.mix.users[a].secretmem.interval_us: what is wrong".
  std::string_view message(status.message().data(), status.message().size());
  if (message.starts_with(place + ".")) message.remove_prefix(place.size() + 1);
  // A count's path has a note behind it: "users (count)".
  const size_t end = std::min(message.find(": "), message.size());
  const size_t path_end = std::min(message.find_first_of(" :"), end);
  const std::string_view path = message.substr(0, path_end);
  return file.Error(FindPlace(node, path), absl::StrCat(SweepPath(path), std::string(message.substr(path_end))));
}

// `node` is written as a map here, or its mix would not be set. `Source` has a preset and a mix.
template <typename Source>
absl::Status CheckSource(const SourceFile& file, const SourceNode& node, std::string_view field, const Source& source) {
  const SourceNode* mix = ValueOf(node, "mix");
  return mix == nullptr || !source.has_mix() ? absl::OkStatus() : CheckOne(file, *mix, field, source.mix());
}

// The list of the axis's values. Axes stand in the experiment in the file's order.
template <typename Source>
absl::Status CheckAxis(const SourceFile& file, const SourceNode& list, const v1::Axis& axis, std::string_view field,
                       const Source& (v1::JobSpec::*source)() const) {
  for (int i = 0; i < axis.values_size(); ++i) {
    const Source& value = (axis.values(i).spec().*source)();
    const SourceNode& item = list.items[static_cast<size_t>(i)];
    if (axis.path() == field) RETURN_IF_ERROR(CheckSource(file, item, field, value));
    if (axis.path() == std::string(field) + ".mix") RETURN_IF_ERROR(CheckOne(file, item, field, value.mix()));
  }
  return absl::OkStatus();
}

// The mixes of one field: that of the base, unless an axis changes it, and those that are values of axes.
template <typename Source>
absl::Status CheckField(const SourceFile& file, const SourceNode& root, const v1::Experiment& experiment,
                        std::string_view field, const Source& (v1::JobSpec::*source)() const) {
  bool base_changes = false;
  if (const SourceNode* axes = ValueOf(root, "axes"); axes != nullptr) {
    for (int i = 0; i < experiment.axes_size(); ++i) {
      const SourceNode& values = axes->entries[static_cast<size_t>(i)].value;
      RETURN_IF_ERROR(CheckAxis(file, values, experiment.axes(i), field, source));
      base_changes |= experiment.axes(i).path().starts_with(field);
    }
  }
  const SourceNode* base = ValueOf(root, "base");
  const SourceNode* node = base == nullptr || base_changes ? nullptr : ValueOf(*base, field);
  return node == nullptr ? absl::OkStatus() : CheckSource(file, *node, field, (experiment.base().*source)());
}

}  // namespace

absl::Status CheckMixes(const SourceFile& file, const SourceNode& root, const v1::Experiment& experiment) {
  RETURN_IF_ERROR(CheckField(file, root, experiment, kWorkload, &v1::JobSpec::workload));
  return CheckField(file, root, experiment, kAgeing, &v1::JobSpec::ageing);
}

}  // namespace dmfrag::client
