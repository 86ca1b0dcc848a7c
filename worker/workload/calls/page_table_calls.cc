#include "worker/workload/calls/page_table_calls.h"

#include <algorithm>
#include <utility>

#include "worker/workload/calls/set_memory.h"

namespace dmfrag::workload {

using model::FrameNumber;
using model::KernelRelease;

UserCalls PageTableAllocate(FrameNumber table, KernelRelease release) {
  return SetMemory(SetMemoryFunction::kRo, model::FrameRange{table, table + model::kFramesPer4K}, release);
}

std::vector<UserCalls> PageTableFree(std::span<const FrameNumber> tables) {
  std::vector<UserCalls> batches;
  for (size_t first = 0; first < tables.size(); first += kMaxTableBatch) {
    UserCalls batch;
    for (const FrameNumber table : tables.subspan(first, std::min(kMaxTableBatch, tables.size() - first))) {
      batch.push_back(SetDirectMapDefault(table));
    }
    batches.push_back(std::move(batch));
  }
  return batches;
}

}  // namespace dmfrag::workload
