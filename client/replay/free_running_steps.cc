#include "client/replay/free_running_steps.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/format/table.h"

namespace dmfrag::client {
namespace {

void Add(bool has, int64_t value, double share, std::optional<double>& sum) {
  if (has) sum = sum.value_or(0) + share * static_cast<double>(value);
}

// Adds the `share`th part of a state.
void AddState(const v1::FreeRunningState& state, double share, MeanState& sum) {
  Add(state.has_splits_2m(), state.splits_2m(), share, sum.splits_2m);
  Add(state.has_splits_1g(), state.splits_1g(), share, sum.splits_1g);
  Add(state.has_free_pages(), state.free_pages(), share, sum.free_pages);
  Add(state.has_split_blocks(), state.split_blocks(), share, sum.split_blocks);
  Add(state.has_changed_pages(), state.changed_pages(), share, sum.changed_pages);
  Add(state.has_tables(), state.tables(), share, sum.tables);
  Add(state.has_tables_in_split_block(), state.tables_in_split_block(), share, sum.tables_in_split_block);
  for (const v1::FreeBlocks& blocks : state.free_blocks()) {
    std::vector<double>& counts = sum.free_blocks[blocks.migratetype()];
    counts.resize(std::max(counts.size(), static_cast<size_t>(blocks.blocks_size())));
    for (int order = 0; order < blocks.blocks_size(); ++order) {
      counts[static_cast<size_t>(order)] += share * static_cast<double>(blocks.blocks(order));
    }
  }
}

// As few digits as a mean of counts needs.
std::string Short(std::optional<double> value) {
  if (!value.has_value()) return "-";
  return *value == static_cast<double>(static_cast<int64_t>(*value)) ? absl::StrFormat("%.0f", *value)
                                                                     : absl::StrFormat("%.1f", *value);
}

std::string Pair(std::optional<double> model, std::optional<double> kernel) {
  return absl::StrCat(Short(model), "/", Short(kernel));
}

// What a step added to a count since `before`, which it updates.
std::optional<double> Added(std::optional<double> now, double& before) {
  if (!now.has_value()) return std::nullopt;
  return *now - std::exchange(before, *now);
}

std::string SplitTable(const std::vector<MeanStep>& steps, bool all_steps) {
  Table table;
  table.AddColumn("step", Table::Align::kRight);
  table.AddColumn("action", Table::Align::kLeft);
  table.AddColumn("source", Table::Align::kLeft);
  for (const char* title :
       {"2M splits", "1G splits", "free pages", "changed per split block", "tables in their block"}) {
    table.AddColumn(title, Table::Align::kRight);
  }
  double model_2m = 0, kernel_2m = 0, model_1g = 0, kernel_1g = 0;
  for (const MeanStep& step : steps) {
    const std::optional<double> by_model = Added(step.model.splits_2m, model_2m);
    const std::optional<double> by_kernel = Added(step.kernel.splits_2m, kernel_2m);
    const std::optional<double> large_by_model = Added(step.model.splits_1g, model_1g);
    const std::optional<double> large_by_kernel = Added(step.kernel.splits_1g, kernel_1g);
    if (!all_steps && by_model.value_or(0) == 0 && by_kernel.value_or(0) == 0) continue;
    table.AddRow({{absl::StrCat(step.index)},
                  {Printable(step.action)},
                  {SourceName(step.source)},
                  {Pair(by_model, by_kernel)},
                  {Pair(large_by_model, large_by_kernel)},
                  {Pair(step.model.free_pages, step.kernel.free_pages)},
                  {Pair(step.model.PagesPerBlock(), step.kernel.PagesPerBlock())},
                  {Pair(step.model.tables_in_split_block, step.kernel.tables_in_split_block)}});
  }
  return table.Render(/*styled=*/false);
}

std::string FreeBlockTable(const MeanStep& step) {
  Table table;
  table.AddColumn("free blocks, order", Table::Align::kLeft);
  const size_t orders = step.kernel.free_blocks.begin()->second.size();
  for (size_t order = 0; order < orders; ++order) table.AddColumn(absl::StrCat(order), Table::Align::kRight);
  for (const auto& [type, kernel] : step.kernel.free_blocks) {
    std::vector<Cell> cells = {{MigratetypeName(type)}};
    const auto model = step.model.free_blocks.find(type);
    for (size_t order = 0; order < orders; ++order) {
      const bool known = model != step.model.free_blocks.end() && order < model->second.size();
      cells.push_back({Pair(known ? std::optional(model->second[order]) : std::nullopt,
                            order < kernel.size() ? std::optional(kernel[order]) : std::nullopt)});
    }
    table.AddRow(std::move(cells));
  }
  return table.Render(/*styled=*/false);
}

}  // namespace

const char* SourceName(v1::StepSource source) {
  switch (source) {
    case v1::STEP_SOURCE_EXPANDED:
      return "expanded";
    case v1::STEP_SOURCE_RECORDED:
      return "recorded";
    default:
      return "nothing";
  }
}

const char* MigratetypeName(v1::Migratetype type) {
  switch (type) {
    case v1::MIGRATETYPE_UNMOVABLE:
      return "unmovable";
    case v1::MIGRATETYPE_MOVABLE:
      return "movable";
    case v1::MIGRATETYPE_RECLAIMABLE:
      return "reclaimable";
    default:
      return "unknown";
  }
}

std::string MeanStepTable(const std::vector<MeanStep>& steps, bool all_steps) {
  std::string text = SplitTable(steps, all_steps);
  for (const MeanStep& step : steps) {
    if (step.kernel.free_blocks.empty()) continue;
    absl::StrAppend(&text, "after step ", step.index, " (", Printable(step.action), "):\n", FreeBlockTable(step));
  }
  return text;
}

std::optional<double> MeanState::PagesPerBlock() const {
  if (!split_blocks.has_value() || !changed_pages.has_value() || *split_blocks == 0) return std::nullopt;
  return *changed_pages / *split_blocks;
}

std::vector<MeanStep> MeanSteps(const std::vector<v1::ReplayReport>& seeds) {
  std::vector<MeanStep> steps;
  if (seeds.empty()) return steps;
  for (const v1::FreeRunningStep& step : seeds.front().free_running().steps()) {
    MeanStep& mean = steps.emplace_back();
    mean.index = step.index();
    mean.action = step.action();
    mean.source = step.source();
    AddState(step.kernel(), 1, mean.kernel);
  }
  for (const v1::ReplayReport& seed : seeds) {
    const int size = std::min(seed.free_running().steps_size(), static_cast<int>(steps.size()));
    for (int i = 0; i < size; ++i) {
      AddState(seed.free_running().steps(i).model(), 1 / static_cast<double>(seeds.size()),
               steps[static_cast<size_t>(i)].model);
    }
  }
  return steps;
}

}  // namespace dmfrag::client
