#include "proto/support/preset.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/text_format.h"
#include "proto/presets/preset_texts.h"
#include "third_party/abseil_extras/check.h"

namespace dmfrag {
namespace {

std::vector<v1::Preset> ReadPresets() {
  std::vector<v1::Preset> presets;
  for (const char* text : kPresetTexts) {
    CHECK(google::protobuf::TextFormat::ParseFromString(text, &presets.emplace_back()));
  }
  std::sort(presets.begin(), presets.end(),
            [](const v1::Preset& a, const v1::Preset& b) { return a.name() < b.name(); });
  return presets;
}

}  // namespace

const std::vector<v1::Preset>& Presets() {
  static const auto& presets = *new std::vector<v1::Preset>(ReadPresets());
  return presets;
}

absl::StatusOr<v1::Mix> PresetMix(const std::string& name) {
  for (const v1::Preset& preset : Presets()) {
    if (preset.name() == name) return preset.mix();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("workload.preset: no preset \"", name, "\"; there are: ", absl::StrJoin(PresetNames(), ", ")));
}

std::vector<std::string> PresetNames() {
  std::vector<std::string> names;
  for (const v1::Preset& preset : Presets()) names.push_back(preset.name());
  return names;
}

}  // namespace dmfrag
