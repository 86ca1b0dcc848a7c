#include "worker/experiment/free_running/free_running.h"

#include <algorithm>
#include <memory>

#include "third_party/abseil_extras/status_macros.h"
#include "worker/experiment/free_running/free_running_machine.h"
#include "worker/experiment/free_running/recorded_users.h"
#include "worker/experiment/free_running/step_expansion.h"
#include "worker/model/allocator_snapshot.h"
#include "worker/workload/random.h"

namespace dmfrag::experiment {
namespace {

FreeBlockCounts FreeBlocks(const model::AllocatorSnapshot& state) {
  FreeBlockCounts blocks{};
  for (const model::ZoneSnapshot& zone : state.zones) {
    for (const model::BlockList& list : zone.free) {
      blocks[static_cast<size_t>(list.type)][list.order.raw()] += list.blocks.size();
    }
  }
  return blocks;
}

Spread SpreadOf(const std::vector<FreeRunningResult>& results, int64_t FreeRunningStep::*count) {
  Spread spread;
  int64_t sum = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    const int64_t value = results[i].steps.empty() ? 0 : results[i].steps.back().*count;
    sum += value;
    spread.least = i == 0 ? value : std::min(spread.least, value);
    spread.most = i == 0 ? value : std::max(spread.most, value);
  }
  if (!results.empty()) spread.mean = static_cast<double>(sum) / static_cast<double>(results.size());
  return spread;
}

}  // namespace

absl::StatusOr<FreeRunningResult> RunFreely(const workload::ReplayInput& input, const workload::FreeCounts& start,
                                            uint64_t seed) {
  const workload::Random random(seed);
  ASSIGN_OR_RETURN(const std::unique_ptr<FreeRunningMachine> machine,
                   FreeRunningMachine::Create(input, start, random.Derive("start")));
  StepExpander expander(machine.get(), input.cpus, random.Derive("steps"));
  RecordedUsers users(input, machine.get(), random.Derive("loads"));
  const model::DirectMapCounters before = machine->counters();
  FreeRunningResult result;
  for (const workload::ReplayStep& step : input.steps) {
    if (step.index <= start.step) continue;
    FreeRunningStep& done = result.steps.emplace_back();
    done.index = step.index;
    done.action = step.action;
    if (machine->SetMinFree(step.action) || machine->SetMemoryPolicy(step.action) || expander.Apply(step.action)) {
      done.source = StepSource::kExpanded;
    } else if (users.Apply(step)) {
      done.source = StepSource::kRecorded;
    }
    done.level2_splits = static_cast<int64_t>(machine->counters().level2_splits - before.level2_splits);
    done.level3_splits = static_cast<int64_t>(machine->counters().level3_splits - before.level3_splits);
    done.mem_free = machine->FreeFrames();
    done.split_blocks = machine->split_blocks();
    done.tables = machine->tables();
    if (!step.action.starts_with("dump")) machine->FlushStatistics();
    if (step.action.starts_with("dump")) done.free_blocks = FreeBlocks(machine->allocator().Snapshot());
  }
  result.moved_frames = machine->moved_frames();
  return result;
}

const workload::FreeCounts* StartCountsOf(const workload::ReplayInput& input,
                                          const std::vector<workload::FreeCounts>& counts) {
  for (const workload::FreeCounts& step : counts) {
    if (step.types.empty() || (input.start_step.has_value() && step.step != *input.start_step)) continue;
    return &step;
  }
  return nullptr;
}

Spread Level2Splits(const std::vector<FreeRunningResult>& results) {
  return SpreadOf(results, &FreeRunningStep::level2_splits);
}

Spread Level3Splits(const std::vector<FreeRunningResult>& results) {
  return SpreadOf(results, &FreeRunningStep::level3_splits);
}

}  // namespace dmfrag::experiment
