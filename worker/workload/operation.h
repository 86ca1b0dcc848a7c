#ifndef DMFRAG_WORKER_WORKLOAD_OPERATION_H_
#define DMFRAG_WORKER_WORKLOAD_OPERATION_H_

#include <cstdint>
#include <optional>

#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/workload/sim_time.h"

namespace dmfrag::workload {

// One thing a user does. Streams of operations depend on no policy and no machine.
struct Operation {
  enum class Kind : uint8_t {
    kCreate,   // an object comes to life: `allocations` of `order` and `type`, one by one
    kDestroy,  // it ends, and everything it got is freed, in the order it was got
  };
  SimTime time = {};
  Kind kind = Kind::kCreate;
  uint32_t user = 0;    // index in the mix
  uint64_t object = 0;  // unique for the user, counted from 0
  uint64_t allocations = 0;
  model::Order order = {};
  model::Migratetype type = model::Migratetype::kUnmovable;
  SimTime end = {};                            // kCreate: when the object ends; the end of time if never
  bool can_sleep = true;                       // its caller may wait for memory (no GFP_ATOMIC)
  std::optional<uint16_t> cpu = std::nullopt;  // that does it; nullopt: the driver chooses one
  uint64_t detail = 0;  // of the object, where its kind of user has one more figure (ObjectTraffic::detail)
};

// Gives operations in order of time. Thread-compatible.
class OperationSource {
 public:
  virtual ~OperationSource() = default;

  // The next operation; nullopt at the end.
  virtual std::optional<Operation> Next() = 0;
};

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_OPERATION_H_
