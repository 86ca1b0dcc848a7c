#ifndef DMFRAG_CLIENT_REPLAY_SUMMARY_JSON_H_
#define DMFRAG_CLIENT_REPLAY_SUMMARY_JSON_H_

#include <string>
#include <vector>

#include "client/replay/summary.h"

namespace dmfrag::client {

// One object, figures as numbers, null where there is none:
//
//   captures, steps, steps_with_change, exact_steps, exact_steps_with_change, max_abs_difference: of all captures
//   map_events {recorded, in_place, unrecorded}, dumps {dumps, equal_dumps, entries, equal_entries}: likewise
//   boot {captures, exact}, calls [{user, recorded, generated, equal, learned}]: likewise
//   per_capture [...]: the same for each, and
//     capture, file, kernel, start_step, limitation, error
//     boot {predicted, measured, difference, limitation}
//     flushes [{user, steps, predicted, measured}]
//     predictions [...]: each step after the start with predicted counters and map events, whatever was measured, and
//       the measured counters beside them
std::string SummaryJson(const std::vector<CaptureSummary>& summaries);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_REPLAY_SUMMARY_JSON_H_
