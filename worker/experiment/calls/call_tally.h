#ifndef DMFRAG_WORKER_EXPERIMENT_CALLS_CALL_TALLY_H_
#define DMFRAG_WORKER_EXPERIMENT_CALLS_CALL_TALLY_H_

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

namespace dmfrag::experiment {

// Who made a call.
enum class CallUser {
  kSecretmem,
  kSetMemory,  // set_memory_* and set_direct_map_* called on direct-map addresses, by a test module
  kBpf,
  kModule,
  kOther,  // areas of vmalloc whose owner was there before the recording
};
// "secretmem", "set_memory", "bpf", "module", "other".
std::string_view NameOf(CallUser user);

// Calls of one user in one step: recorded by kprobes, and generated from what the user did.
// recorded - equal - learned calls were recorded and not generated; generated - equal - learned the other way round.
struct CallComparison {
  int32_t step = 0;
  CallUser user = CallUser::kOther;
  int64_t recorded = 0;
  int64_t generated = 0;
  // Generated before the recorded call was looked at, and equal to it in function, range, masks, and place in the
  // order.
  int64_t equal = 0;
  // Generated with the right function and masks at this place, but for frames that this call is the first to tell: a
  // capture does not say which frames vmalloc gave to an area.
  int64_t learned = 0;
  friend bool operator==(const CallComparison&, const CallComparison&) = default;
};

// Adds verdicts up. Thread-compatible.
class CallTally {
 public:
  void Equal(int32_t step, CallUser user) { Add(step, user, 1, 1, 1, 0); }
  void Learned(int32_t step, CallUser user) { Add(step, user, 1, 1, 0, 1); }
  void NotGenerated(int32_t step, CallUser user) { Add(step, user, 1, 0, 0, 0); }
  void NotRecorded(int32_t step, CallUser user, int64_t calls) {
    if (calls > 0) Add(step, user, 0, calls, 0, 0);
  }
  // Up to `calls` learned ones do not follow from what the user did after all.
  void Unlearn(int32_t step, CallUser user, int64_t calls);

  // By step, then by user; without those that have no calls.
  std::vector<CallComparison> comparisons() const;

 private:
  void Add(int32_t step, CallUser user, int64_t recorded, int64_t generated, int64_t equal, int64_t learned);

  std::map<std::pair<int32_t, CallUser>, CallComparison> rows_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_CALLS_CALL_TALLY_H_
