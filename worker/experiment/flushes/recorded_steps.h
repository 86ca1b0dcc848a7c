#ifndef DMFRAG_WORKER_EXPERIMENT_FLUSHES_RECORDED_STEPS_H_
#define DMFRAG_WORKER_EXPERIMENT_FLUSHES_RECORDED_STEPS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "worker/model/kernel_release.h"
#include "worker/workload/replay_input.h"

// Captures of a few steps, for tests.
namespace dmfrag::experiment {

// 64 MiB, all 2M but the first block.
inline workload::ReplayInput RecordedInput(model::KernelRelease release) {
  const model::EntryFlags flags = model::EntryFlags::PageKernel();
  workload::ReplayInput input{.capture_id = "test",
                              .kernel = "",
                              .release = release,
                              .memory = *model::MemoryMap::FromUsableRanges({{0, 64 << 20}}),
                              .mapping = {.gbpages = false},
                              .start_step = 0,
                              .start_runs = {},
                              .start_counters = {},
                              .steps = {},
                              .limitation = ""};
  input.start_runs = {{model::FrameNumber(0), model::FrameCount(512), model::MapLevel::k4K, flags},
                      {model::FrameNumber(512), model::FrameCount(15872), model::MapLevel::k2M, flags}};
  return input;
}

inline workload::CpaCall Recorded(workload::CpaCall::Op op, uint64_t first, uint64_t count = 1,
                                  uint64_t pages_each = 1) {
  workload::CpaCall call;
  call.op = op;
  call.first = model::FrameNumber(first);
  call.count = count;
  call.step = 1;
  call.pages_each = model::FrameCount(pages_each);
  return call;
}

inline workload::CpaCall Invalid(uint64_t first, uint64_t count = 1) {
  return Recorded(workload::CpaCall::Op::kSetDirectMapInvalid, first, count);
}
inline workload::CpaCall Default(uint64_t first, uint64_t count = 1) {
  return Recorded(workload::CpaCall::Op::kSetDirectMapDefault, first, count);
}

// Requests on aliases: what set_memory_ro or rox, rw, and nx make of each page.
inline workload::CpaCall ReadOnly(uint64_t first, uint64_t count = 1, uint64_t pages_each = 1) {
  workload::CpaCall call = Recorded(workload::CpaCall::Op::kChange, first, count, pages_each);
  call.clear = model::EntryFlags(model::EntryFlags::kWritable | model::EntryFlags::kDirty);
  return call;
}
inline workload::CpaCall Writable(uint64_t first, uint64_t count = 1, uint64_t pages_each = 1) {
  workload::CpaCall call = Recorded(workload::CpaCall::Op::kChange, first, count, pages_each);
  call.set = model::EntryFlags(model::EntryFlags::kWritable);
  return call;
}
inline workload::CpaCall NoExecute(uint64_t first, uint64_t count = 1, uint64_t pages_each = 1) {
  return Recorded(workload::CpaCall::Op::kChange, first, count, pages_each);
}

inline void AddStep(workload::ReplayInput& input, std::string action, std::vector<workload::CpaCall> calls) {
  const auto index = static_cast<int32_t>(input.steps.size()) + 1;
  input.steps.push_back({index, std::move(action), workload::RequestSource::kCpaCalls, std::move(calls)});
}

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FLUSHES_RECORDED_STEPS_H_
