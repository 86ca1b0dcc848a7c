#ifndef DMFRAG_CLIENT_REPLAY_REPLAY_H_
#define DMFRAG_CLIENT_REPLAY_REPLAY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "client/replay/capture_file.h"
#include "client/replay/free_running_summary.h"
#include "client/replay/summary.h"
#include "dmfrag/v1/experiments.pb.h"
#include "dmfrag/v1/results.pb.h"

namespace dmfrag::client {

// What is replayed of captures.
struct ReplayOptions {
  // Whose frames.
  v1::ReplayFrames frames = v1::REPLAY_FRAMES_RECORDED;
  // Replicates of each capture; with the model's frames each draws a start of its own.
  uint32_t seeds = 1;
  // SHA-256 of a trace, which is replayed instead; empty: none.
  std::string trace_sha256 = {};
};

// The experiment that replays captures: no cache, one point per capture, in their order.
// REQUIRES: no two captures have the same digest; 1 to 10,000 of them.
v1::Experiment ReplayExperiment(const std::vector<CaptureFile>& captures, const ReplayOptions& options);

// Why a job of that experiment has no replay; empty if it has one.
std::string FailureOf(const v1::Result& result);

// What a job of that experiment (read with details) says about its capture.
CaptureSummary SummaryOf(const v1::Result& result, const CaptureFile& capture);

// What its jobs say, one a seed, where the model picked the frames.
FreeRunningSummary FreeRunningSummaryOf(const std::vector<v1::Result>& results, const CaptureFile& capture);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_REPLAY_REPLAY_H_
