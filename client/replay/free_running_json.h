#ifndef DMFRAG_CLIENT_REPLAY_FREE_RUNNING_JSON_H_
#define DMFRAG_CLIENT_REPLAY_FREE_RUNNING_JSON_H_

#include <string>
#include <vector>

#include "client/replay/free_running_summary.h"

namespace dmfrag::client {

// One object, figures as numbers, null where there is none:
//
//   captures, counted, within, pooled {captures, kernel_splits_2m, model_splits_2m}
//   per_capture [{capture, file, kernel, start_step, seeds, counted, failure,
//     splits_2m {kernel, mean, least, most, error, allowed, within}, splits_1g {kernel, mean, least, most},
//     steps [{step, action, source, model, kernel}]}]
//
// where model (mean over the seeds) and kernel are {splits_2m, splits_1g, free_pages, split_blocks, changed_pages,
// tables, tables_in_split_block, free_blocks {migratetype: [by order]}}, all since the start of the replay.
std::string FreeRunningJson(const std::vector<FreeRunningSummary>& summaries);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_REPLAY_FREE_RUNNING_JSON_H_
