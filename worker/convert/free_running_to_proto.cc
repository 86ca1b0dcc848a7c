#include "worker/convert/free_running_to_proto.h"

#include <cstdint>

#include "worker/convert/replay_result.h"
#include "worker/experiment/free_running/free_running_comparison.h"

namespace dmfrag::convert {
namespace {

v1::Migratetype MigratetypeFrom(model::Migratetype type) {
  switch (type) {
    case model::Migratetype::kUnmovable:
      return v1::MIGRATETYPE_UNMOVABLE;
    case model::Migratetype::kMovable:
      return v1::MIGRATETYPE_MOVABLE;
    case model::Migratetype::kReclaimable:
      return v1::MIGRATETYPE_RECLAIMABLE;
  }
  return v1::MIGRATETYPE_UNSPECIFIED;
}

v1::StepSource SourceFrom(experiment::StepSource source) {
  switch (source) {
    case experiment::StepSource::kNothing:
      return v1::STEP_SOURCE_NOTHING;
    case experiment::StepSource::kExpanded:
      return v1::STEP_SOURCE_EXPANDED;
    case experiment::StepSource::kRecorded:
      return v1::STEP_SOURCE_RECORDED;
  }
  return v1::STEP_SOURCE_UNSPECIFIED;
}

void SetState(const experiment::StepState& state, v1::FreeRunningState& proto) {
  if (state.level2_splits.has_value()) proto.set_splits_2m(*state.level2_splits);
  if (state.level3_splits.has_value()) proto.set_splits_1g(*state.level3_splits);
  if (state.mem_free.has_value()) proto.set_free_pages(static_cast<int64_t>(state.mem_free->raw()));
  if (state.free_blocks.has_value()) {
    for (size_t type = 0; type < state.free_blocks->size(); ++type) {
      v1::FreeBlocks& blocks = *proto.add_free_blocks();
      blocks.set_migratetype(MigratetypeFrom(static_cast<model::Migratetype>(type)));
      for (const uint64_t count : (*state.free_blocks)[type]) blocks.add_blocks(static_cast<int64_t>(count));
    }
  }
  if (state.split_blocks.has_value()) {
    proto.set_split_blocks(static_cast<int64_t>(state.split_blocks->blocks));
    proto.set_changed_pages(static_cast<int64_t>(state.split_blocks->changed_pages));
  }
  if (state.tables.has_value()) {
    proto.set_tables(static_cast<int64_t>(state.tables->tables));
    proto.set_tables_in_split_block(static_cast<int64_t>(state.tables->own));
  }
}

// As they are after the last step.
void SetMetrics(const v1::FreeRunningReport& report, v1::Metrics& metrics) {
  if (report.steps().empty()) return;
  const v1::FreeRunningState& last = report.steps().rbegin()->model();
  metrics.set_splits_2m(last.splits_2m());
  metrics.set_splits_1g(last.splits_1g());
  metrics.set_free_pages(last.free_pages());
  metrics.set_table_pages_in_split_block(last.tables_in_split_block());
}

}  // namespace

v1::JobResult ResultFromFreeRunning(const workload::KernelCapture& capture,
                                    const std::vector<workload::FreeCounts>& counts, const workload::FreeCounts& start,
                                    const experiment::FreeRunningResult& run) {
  v1::JobResult result = ReplayResult(capture.input, start.step);
  v1::FreeRunningReport& report = *result.mutable_replay()->mutable_free_running();
  report.set_moved_pages(static_cast<int64_t>(run.moved_frames));
  for (const experiment::StepComparison& step :
       experiment::CompareSteps(capture.input, capture.measured, counts, start.step, run)) {
    v1::FreeRunningStep& proto = *report.add_steps();
    proto.set_index(step.index);
    proto.set_action(step.action);
    proto.set_source(SourceFrom(step.source));
    SetState(step.model, *proto.mutable_model());
    SetState(step.kernel, *proto.mutable_kernel());
    if (step.kernel.level2_splits.has_value()) report.set_kernel_splits_2m(*step.kernel.level2_splits);
    if (step.kernel.level3_splits.has_value()) report.set_kernel_splits_1g(*step.kernel.level3_splits);
  }
  SetMetrics(report, *result.mutable_metrics());
  return result;
}

}  // namespace dmfrag::convert
