#ifndef DMFRAG_WORKER_WORKLOAD_OBJECT_TRAFFIC_H_
#define DMFRAG_WORKER_WORKLOAD_OBJECT_TRAFFIC_H_

#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/workload/arrival_clock.h"
#include "worker/workload/distribution.h"
#include "worker/workload/operation.h"
#include "worker/workload/permission.h"
#include "worker/workload/random.h"
#include "worker/workload/sim_time.h"

namespace dmfrag::workload {

// Objects that come at intervals, take a number of allocations each, and live for a time: what every user is
// made of. Long-run live allocations are mean size times mean life over mean interval.
struct ObjectTraffic {
  Distribution
      interval_us;  // a run of zeros makes objects at the same time; one without end must be excluded by the caller
  Distribution size_allocations;
  Distribution lifetime_us;
  // One more figure of each object, whose meaning is its kind's: bytes of a pack, or the draw that says whether a file
  // is read again.
  std::optional<Distribution> detail = std::nullopt;
  model::Order order;
  model::Migratetype type = model::Migratetype::kUnmovable;
  const Permission* permission = nullptr;  // null: none is ever changed
  bool page_cache = false;                 // an object ends when the kernel takes its pages back, and not by itself
  uint32_t read_again_percent = 0;         // of the page cache
  // Of its objects, in thousandths, those whose callers cannot sleep. Spread evenly, without a draw, so that streams do not
  // depend on it.
  uint32_t atomic_per_mille = 0;
  uint32_t pool_per_mille = 0;             // of the machine, that a pool keeps at most (Permission::Unit::kPool)
};

// Single pages, of a kind whose figures are an interval, `size_pages` and a life.
template <typename Config>
ObjectTraffic PageTraffic(const Config& config, model::Migratetype type, const Permission* permission = nullptr) {
  return {.interval_us = config.interval_us,
          .size_allocations = config.size_pages,
          .lifetime_us = config.lifetime_us,
          .order = model::Order(0),
          .type = type,
          .permission = permission};
}

// Blocks of `order`, of a kind whose figures are an interval, `size_allocations` and a life.
template <typename Config>
ObjectTraffic BlockTraffic(const Config& config, model::Order order, model::Migratetype type,
                           const Permission* permission = nullptr) {
  return {.interval_us = config.interval_us,
          .size_allocations = config.size_allocations,
          .lifetime_us = config.lifetime_us,
          .order = order,
          .type = type,
          .permission = permission};
}

// The operations of one user, in order of time; an object's end comes before another's beginning at the same time. Each
// of the distributions draws from its own stream. Thread-compatible.
class ObjectStream {
 public:
  // Makes operations up to `horizon`, itself excluded. `random` is the user's own stream; `clock` says when its objects
  // come, and changes none of its draws.
  ObjectStream(const ObjectTraffic& traffic, uint32_t user, const Random& random, SimTime horizon,
               ArrivalClock clock = ArrivalClock());

  // The next operation; nullopt when none is left before the horizon.
  std::optional<Operation> Next();

 private:
  bool IsAtomic(uint64_t object) const;

  struct End {
    SimTime time;
    uint64_t object;
    friend bool operator>(const End& a, const End& b) {
      return a.time != b.time ? a.time > b.time : a.object > b.object;
    }
  };

  ObjectTraffic traffic_;
  uint32_t user_;
  Random intervals_;
  Random sizes_;
  Random lifetimes_;
  Random details_;
  SimTime horizon_;
  ArrivalClock clock_;
  SimTime next_creation_;
  uint64_t next_object_ = 0;
  std::priority_queue<End, std::vector<End>, std::greater<End>> ends_;
};

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_OBJECT_TRAFFIC_H_
