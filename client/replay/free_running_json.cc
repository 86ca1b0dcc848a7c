#include "client/replay/free_running_json.h"

#include <nlohmann/json.hpp>

#include "client/replay/free_running_steps.h"
#include "client/replay/json_text.h"

namespace dmfrag::client {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const MeanState& state) {
  Json blocks = state.free_blocks.empty() ? Json(nullptr) : Json::object();
  for (const auto& [type, counts] : state.free_blocks) blocks[MigratetypeName(type)] = counts;
  return {{"splits_2m", OrNull(state.splits_2m)},
          {"splits_1g", OrNull(state.splits_1g)},
          {"free_pages", OrNull(state.free_pages)},
          {"split_blocks", OrNull(state.split_blocks)},
          {"changed_pages", OrNull(state.changed_pages)},
          {"tables", OrNull(state.tables)},
          {"tables_in_split_block", OrNull(state.tables_in_split_block)},
          {"free_blocks", blocks}};
}

Json CaptureJson(const FreeRunningSummary& summary) {
  const bool failed = !summary.error.empty();
  Json steps = Json::array();
  for (const MeanStep& step : MeanSteps(summary.seeds)) {
    steps.push_back({{"step", step.index},
                     {"action", step.action},
                     {"source", SourceName(step.source)},
                     {"model", ToJson(step.model)},
                     {"kernel", ToJson(step.kernel)}});
  }
  const SeedSpread small = summary.model_2m();
  const SeedSpread large = summary.model_1g();
  const Json splits_2m = {{"kernel", summary.kernel_2m()}, {"mean", small.mean},
                          {"least", small.least},          {"most", small.most},
                          {"error", summary.error_2m()},   {"allowed", summary.allowed_2m()},
                          {"within", summary.within()}};
  const Json splits_1g = {
      {"kernel", summary.kernel_1g()}, {"mean", large.mean}, {"least", large.least}, {"most", large.most}};
  return {{"capture", OrNull(summary.capture())},
          {"file", summary.file},
          {"kernel", OrNull(summary.kernel())},
          {"start_step", failed ? Json(nullptr) : Json(summary.seeds.front().start_step())},
          {"seeds", summary.seeds.size()},
          {"counted", summary.counts()},
          {"failure", OrNull(summary.error)},
          {"splits_2m", failed ? Json(nullptr) : splits_2m},
          {"splits_1g", failed ? Json(nullptr) : splits_1g},
          {"steps", steps}};
}

}  // namespace

std::string FreeRunningJson(const std::vector<FreeRunningSummary>& summaries) {
  Json per_capture = Json::array();
  for (const FreeRunningSummary& summary : summaries) per_capture.push_back(CaptureJson(summary));
  const FreeRunningTotals totals = TotalsOf(summaries);
  const Json pooled = {{"captures", totals.pooled_captures},
                       {"kernel_splits_2m", totals.pooled_kernel},
                       {"model_splits_2m", totals.pooled_model}};
  const Json document = {{"captures", totals.captures},
                         {"counted", totals.counted},
                         {"within", totals.within},
                         {"pooled", pooled},
                         {"per_capture", per_capture}};
  return TextOf(document);
}

}  // namespace dmfrag::client
