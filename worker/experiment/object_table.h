#ifndef DMFRAG_WORKER_EXPERIMENT_OBJECT_TABLE_H_
#define DMFRAG_WORKER_EXPERIMENT_OBJECT_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "worker/model/units.h"

namespace dmfrag::experiment {

// The blocks of every live object. Lists are reused, so that a run in steady state allocates no memory of the host for
// them. Thread-compatible; constant time.
class ObjectTable {
 public:
  explicit ObjectTable(size_t users) : slot_of_(users) {}

  // An empty list for a new object; valid until the next call.
  std::vector<model::FrameNumber>& Add(uint32_t user, uint64_t object);
  // REQUIRES: the object was added and not removed.
  std::vector<model::FrameNumber>& Get(uint32_t user, uint64_t object);
  // REQUIRES: as Get.
  void Remove(uint32_t user, uint64_t object);

 private:
  // Looked up by key alone, never walked: its order reaches no result.
  std::vector<std::unordered_map<uint64_t, uint32_t>> slot_of_;
  std::vector<std::vector<model::FrameNumber>> slots_;
  std::vector<uint32_t> free_slots_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_OBJECT_TABLE_H_
