#ifndef DMFRAG_WORKER_WORKLOAD_STEP_OPERATIONS_H_
#define DMFRAG_WORKER_WORKLOAD_STEP_OPERATIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "worker/model/entry_flags.h"
#include "worker/model/units.h"

// What users did in the steps of a capture, apart from the CPA calls that came of it: from these the calls are
// generated again and compared with the recorded ones.
namespace dmfrag::workload {

// A function that a test module called on the direct map, as the step's result line has it.
struct FunctionCall {
  std::string function;
  model::FrameNumber first;
  model::FrameCount pages;
  int64_t result = 0;  // 0, or minus an error number
};

// A memfd_secret area was touched page by page, or lost its last user.
struct SecretOperation {
  enum class Kind { kTouch, kFree };
  Kind kind = Kind::kTouch;
  std::string area;
  // kTouch: frames in the order of touch, which is that of the file. nullopt: not mapped any more when the capture
  // looked.
  std::vector<std::optional<model::FrameNumber>> frames;
};

// Requests on vmalloc and module addresses: pages of them by 2M of addresses and by masks, as counted by a kprobe.
struct MappedPages {
  uint64_t address = 0;  // of the first byte of the 2M
  model::EntryFlags set;
  model::EntryFlags clear;
  bool collapse = false;
  uint64_t pages = 0;
};

struct StepOperations {
  int32_t step = 0;
  std::string action;
  bool several_threads = false;  // areas were touched or freed by a thread each, at the same time
  std::vector<FunctionCall> functions;
  std::vector<SecretOperation> secrets;
  // Pages of secret areas that threads touched and freed as they chose: how many, not which.
  uint64_t churned_secret_pages = 0;
  std::vector<MappedPages> mapped;  // in the step, and between it and the one before
};

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_STEP_OPERATIONS_H_
