#include "worker/convert/allocator_replay_to_proto.h"

#include <cstdint>

#include "worker/convert/replay_result.h"

namespace dmfrag::convert {
namespace {

v1::DivergenceCause CauseFrom(experiment::DivergenceCause cause) {
  switch (cause) {
    case experiment::DivergenceCause::kCompaction:
      return v1::DIVERGENCE_CAUSE_COMPACTION;
    case experiment::DivergenceCause::kOtherPerCpu:
      return v1::DIVERGENCE_CAUSE_OTHER_PER_CPU;
    case experiment::DivergenceCause::kOtherFree:
      return v1::DIVERGENCE_CAUSE_OTHER_FREE;
    case experiment::DivergenceCause::kInUse:
      return v1::DIVERGENCE_CAUSE_IN_USE;
    case experiment::DivergenceCause::kNoMemory:
      return v1::DIVERGENCE_CAUSE_NO_MEMORY;
  }
  return v1::DIVERGENCE_CAUSE_UNSPECIFIED;
}

int64_t Signed(uint64_t count) { return static_cast<int64_t>(count); }

void SetStep(const experiment::AllocatorStep& step, v1::AllocatorStep& proto) {
  proto.set_index(step.index);
  proto.set_action(step.action);
  proto.set_allocations(Signed(step.allocations));
  proto.set_equal(Signed(step.equal));
  proto.set_frees(Signed(step.frees));
  proto.set_bulk_pages(Signed(step.bulk_frames));
  proto.set_compaction_pages(Signed(step.compaction_frames));
  if (!step.first.has_value()) return;
  v1::AllocatorDivergence& first = *proto.mutable_first();
  first.set_line(Signed(step.first->line));
  first.set_cause(CauseFrom(step.first->cause));
  first.set_order(static_cast<int32_t>(step.first->order.raw()));
  first.set_kernel_pfn(Signed(step.first->kernel.raw()));
  if (step.first->model.has_value()) first.set_model_pfn(Signed(step.first->model->raw()));
}

void SetDump(const experiment::AllocatorDumpComparison& dump, v1::AllocatorDump& proto) {
  const experiment::AllocatorComparison& lists = dump.lists;
  proto.set_step(dump.step);
  proto.set_lists(Signed(lists.lists));
  proto.set_lists_equal(Signed(lists.lists_equal));
  proto.set_per_cpu_lists(Signed(lists.per_cpu_lists));
  proto.set_per_cpu_lists_equal(Signed(lists.per_cpu_lists_equal));
  proto.set_highs(Signed(lists.highs));
  proto.set_highs_equal(Signed(lists.highs_equal));
  proto.set_blocks(Signed(lists.blocks));
  proto.set_blocks_equal(Signed(lists.blocks_equal));
  proto.set_first_difference(lists.first_difference);
}

}  // namespace

v1::JobResult ResultFromAllocatorReplay(const workload::ReplayInput& input, int32_t start_step,
                                        const experiment::AllocatorReplayResult& replay) {
  v1::JobResult result = ReplayResult(input, start_step);
  result.mutable_metrics();
  v1::AllocatorReport& report = *result.mutable_replay()->mutable_allocator();
  for (const experiment::AllocatorStep& step : replay.steps) SetStep(step, *report.add_steps());
  for (const experiment::AllocatorDumpComparison& dump : replay.dumps) SetDump(dump, *report.add_dumps());
  report.set_unexpected_frees(Signed(replay.unexpected_frees));
  report.set_decays(Signed(replay.decays));
  return result;
}

}  // namespace dmfrag::convert
