#ifndef DMFRAG_CLIENT_REPLAY_REPLAY_H_
#define DMFRAG_CLIENT_REPLAY_REPLAY_H_

#include <vector>

#include "client/replay/capture_file.h"
#include "client/replay/summary.h"
#include "dmfrag/v1/experiments.pb.h"
#include "dmfrag/v1/results.pb.h"

namespace dmfrag::client {

// The experiment that replays captures: no cache, one point per capture, in their order.
// REQUIRES: no two captures have the same digest; 1 to 10,000 of them.
v1::Experiment ReplayExperiment(const std::vector<CaptureFile>& captures);

// What a job of that experiment (read with details) says about its capture.
CaptureSummary SummaryOf(const v1::Result& result, const CaptureFile& capture);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_REPLAY_REPLAY_H_
