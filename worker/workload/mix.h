#ifndef DMFRAG_WORKER_WORKLOAD_MIX_H_
#define DMFRAG_WORKER_WORKLOAD_MIX_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "worker/workload/anonymous.h"
#include "worker/workload/arrival_clock.h"
#include "worker/workload/bpf.h"
#include "worker/workload/dma.h"
#include "worker/workload/graphics.h"
#include "worker/workload/guest_memory.h"
#include "worker/workload/huge_page.h"
#include "worker/workload/memory_failure.h"
#include "worker/workload/module.h"
#include "worker/workload/network.h"
#include "worker/workload/object_traffic.h"
#include "worker/workload/operation.h"
#include "worker/workload/ordinary.h"
#include "worker/workload/page_cache.h"
#include "worker/workload/page_tables.h"
#include "worker/workload/random.h"
#include "worker/workload/secretmem.h"
#include "worker/workload/sim_time.h"
#include "worker/workload/slab.h"
#include "worker/workload/trampoline.h"
#include "worker/workload/uncached.h"
#include "worker/workload/vmalloc.h"
#include "worker/workload/xpfo.h"

namespace dmfrag::workload {

// One user of a mix: a name, which also names its random streams, and what it does.
struct UserConfig {
  std::string name;
  std::variant<SecretmemConfig, OrdinaryConfig, BpfConfig, PageCacheConfig, AnonymousConfig, HugePageConfig, SlabConfig,
               NetworkConfig, PageTablesConfig, GuestMemoryConfig, XpfoConfig, GraphicsConfig, UncachedConfig,
               MemoryFailureConfig, DmaConfig, ModuleConfig, TrampolineConfig, VmallocConfig>
      kind;
  // How often it comes, in thousandths of what its interval says, for all time.
  uint64_t rate_thousandths = 1000;
  uint32_t atomic_per_mille = 0;  // see ObjectTraffic
};

// How often one user comes during a phase, in thousandths of its own rate.
struct PhaseRate {
  std::string user;
  uint64_t rate_thousandths = 1000;
};

// Windows of time in which users come more or less often.
struct PhaseConfig {
  RateWindow window;             // with the rate of all users
  std::vector<PhaseRate> rates;  // of single users, beside it; users that the mix does not have change nothing
};

// Users at work at the same time.
struct MixConfig {
  std::vector<UserConfig> users;
  std::vector<PhaseConfig> phases = {};
};

// The objects a user makes, whatever its kind.
ObjectTraffic TrafficOf(const UserConfig& user);
// Of each of `users`, in their order.
std::vector<ObjectTraffic> TrafficOf(const std::vector<UserConfig>& users);

// When the objects of `user` come.
ArrivalClock ClockOf(const UserConfig& user, const std::vector<PhaseConfig>& phases);

// The operations of all users of a mix, merged by time; at the same time the user that stands first goes first. A
// user's own operations depend on the seed, its name and its rates alone: adding, removing or reordering others, or
// phases of others, changes none of them; phases of its own move them in time and leave sizes and lives as they are.
// Thread-compatible. Takes a step per user for each operation.
class MixStream final : public OperationSource {
 public:
  // `random` is the run's stream. Operations end before `horizon`.
  MixStream(const MixConfig& mix, const Random& random, SimTime horizon);

  std::optional<Operation> Next() override;

 private:
  struct Source {
    ObjectStream stream;
    std::optional<Operation> next;
  };
  std::vector<Source> sources_;
};

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_MIX_H_
