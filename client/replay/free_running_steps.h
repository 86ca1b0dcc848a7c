#ifndef DMFRAG_CLIENT_REPLAY_FREE_RUNNING_STEPS_H_
#define DMFRAG_CLIENT_REPLAY_FREE_RUNNING_STEPS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dmfrag/v1/job_result.pb.h"

namespace dmfrag::client {

// A machine's state after a step; the model's is a mean over seeds. Absent: not recorded.
struct MeanState {
  std::optional<double> splits_2m;
  std::optional<double> splits_1g;
  std::optional<double> free_pages;
  std::optional<double> split_blocks;
  std::optional<double> changed_pages;
  std::optional<double> tables;
  std::optional<double> tables_in_split_block;
  std::map<v1::Migratetype, std::vector<double>> free_blocks;  // by order

  // Pages changed per split block.
  std::optional<double> PagesPerBlock() const;
};

// One step of a capture that was replayed with the model's frames.
struct MeanStep {
  int32_t index = 0;
  std::string action;
  v1::StepSource source = v1::STEP_SOURCE_UNSPECIFIED;
  MeanState model;
  MeanState kernel;
};

// The steps of one capture, replayed from several seeds.
std::vector<MeanStep> MeanSteps(const std::vector<v1::ReplayReport>& seeds);

// For people: what each step split, free memory, and pages changed per split block, the model's beside the kernel's;
// then free blocks by order and migratetype after each step at which the kernel counted them. `all_steps`: also steps
// in which neither side split a page.
std::string MeanStepTable(const std::vector<MeanStep>& steps, bool all_steps);

// "nothing", "expanded", "recorded".
const char* SourceName(v1::StepSource source);
// "unmovable", "movable", "reclaimable".
const char* MigratetypeName(v1::Migratetype type);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_REPLAY_FREE_RUNNING_STEPS_H_
