#ifndef DMFRAG_WORKER_WORKLOAD_MIX_H_
#define DMFRAG_WORKER_WORKLOAD_MIX_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "worker/workload/bpf.h"
#include "worker/workload/object_traffic.h"
#include "worker/workload/operation.h"
#include "worker/workload/ordinary.h"
#include "worker/workload/page_cache.h"
#include "worker/workload/random.h"
#include "worker/workload/secretmem.h"
#include "worker/workload/sim_time.h"

namespace dmfrag::workload {

// One user of a mix: a name, which also names its random streams, and what it does.
struct UserConfig {
  std::string name;
  std::variant<SecretmemConfig, OrdinaryConfig, BpfConfig, PageCacheConfig> kind;
  uint64_t start_us = 0;  // simulated time before it begins
  uint64_t stop_us = 0;   // it makes no objects from then on; those it made live on. 0: it never stops
};

// Users at work at the same time.
struct MixConfig {
  std::vector<UserConfig> users;
};

// The objects a user makes, whatever its kind.
ObjectTraffic TrafficOf(const UserConfig& user);

// The operations of all users of a mix, merged by time; at the same time the user that stands first goes first. A
// user's own operations depend on the seed and its name alone: adding, removing or reordering others changes none of
// them. Thread-compatible. Takes a step per user for each operation.
class MixStream {
 public:
  // `random` is the run's stream. Operations end before `horizon`.
  MixStream(const MixConfig& mix, const Random& random, SimTime horizon);

  // The next operation; nullopt at the end.
  std::optional<Operation> Next();

 private:
  struct Source {
    ObjectStream stream;
    std::optional<Operation> next;
  };
  std::vector<Source> sources_;
};

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_MIX_H_
