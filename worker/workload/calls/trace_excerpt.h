#ifndef DMFRAG_WORKER_WORKLOAD_CALLS_TRACE_EXCERPT_H_
#define DMFRAG_WORKER_WORKLOAD_CALLS_TRACE_EXCERPT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "worker/model/entry_flags.h"
#include "worker/model/kernel_release.h"
#include "worker/model/units.h"

namespace dmfrag::workload {

// A line of the files in testdata/: a call of __change_page_attr_set_clr.
struct TracedCall {
  model::KernelRelease release = model::KernelRelease::k6_1;
  // Of the direct map, or else of module addresses.
  bool direct_map = false;
  uint64_t page = 0;  // frame in the direct map, or page of virtual addresses
  uint64_t pages = 0;
  model::EntryFlags set;
  model::EntryFlags clear;
};

// Ends the test program if there is no such file, or a line makes no sense.
std::vector<TracedCall> ReadTraceExcerpt(const std::string& name);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CALLS_TRACE_EXCERPT_H_
