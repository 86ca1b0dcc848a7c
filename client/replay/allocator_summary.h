#ifndef DMFRAG_CLIENT_REPLAY_ALLOCATOR_SUMMARY_H_
#define DMFRAG_CLIENT_REPLAY_ALLOCATOR_SUMMARY_H_

#include <string>

#include "dmfrag/v1/job_result.pb.h"

namespace dmfrag::client {

// A trace replayed against the page allocator, for people: allocations of each step that got the kernel's frame, the
// first that did not with its cause, what the trace does not log, and lists equal in order at later dumps.
std::string AllocatorText(const v1::ReplayReport& report);

// One record per step.
std::string AllocatorCsv(const v1::ReplayReport& report);

// One object, figures as numbers:
//   capture, kernel, start_step, allocations, equal, unexpected_frees, decays
//   steps [{step, action, allocations, equal, frees, bulk_pages, compaction_pages,
//     first {line, cause, order, kernel_pfn, model_pfn}}]
//   dumps [{step, lists, lists_equal, per_cpu_lists, per_cpu_lists_equal, highs, highs_equal, pageblocks,
//     pageblocks_equal, first_difference}]
std::string AllocatorJson(const v1::ReplayReport& report);

// Every allocation got the kernel's frame, and every list of later dumps is equal.
bool IsExact(const v1::AllocatorReport& report);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_REPLAY_ALLOCATOR_SUMMARY_H_
