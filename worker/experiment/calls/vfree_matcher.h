#ifndef DMFRAG_WORKER_EXPERIMENT_CALLS_VFREE_MATCHER_H_
#define DMFRAG_WORKER_EXPERIMENT_CALLS_VFREE_MATCHER_H_

#include <cstddef>
#include <deque>
#include <list>
#include <unordered_map>
#include <vector>

#include "worker/experiment/calls/call_tally.h"
#include "worker/model/kernel_release.h"
#include "worker/model/units.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::experiment {

// Memory of vmalloc whose frames became known, in the order of addresses, when its permissions were changed.
struct VmallocArea {
  CallUser user = CallUser::kOther;
  std::vector<model::FrameNumber> frames;
  // `frames` are those of several areas, one after the other, and where one ends is not known: a free tells.
  bool divisible = false;
  // More pages may follow, which never had a permission changed (6.1, data).
  bool open_end = false;
  // A 2M block of the ROX cache: goes back by one call.
  bool block = false;
};

// The calls of frees with permission reset (vfree, execmem_cache_clean). When which area is freed is read from its
// first call; what follows is generated. Areas that are not known are learned from the first half of their calls, and
// tested on the second. Thread-compatible.
class VfreeMatcher {
 public:
  explicit VfreeMatcher(model::KernelRelease release) : release_(release) {}

  void Know(VmallocArea area);
  // A recorded call of set_direct_map_*. `user`: whose it is if its area is not known.
  void Take(int32_t step, CallUser user, const workload::DirectMapCall& recorded, CallTally& tally);
  // Counts what was generated and not recorded, in the step of the free's last call.
  void End(CallTally& tally);

 private:
  // Where a known frame is.
  struct Place {
    size_t area = 0;
    size_t index = 0;
  };
  // An area that is being freed.
  struct Free {
    int32_t step = 0;
    CallUser user = CallUser::kOther;
    std::vector<model::FrameNumber> frames;
    bool divisible = false;
    bool open_end = false;
    size_t invalid = 0;   // calls so far of the first half
    size_t put_back = 0;  // of the second
    // What is generated: the first half of `frames` as known at the start, and the second one of the first `generated`.
    std::vector<workload::DirectMapCall> first_half = {};
    std::vector<workload::DirectMapCall> second_half = {};
    size_t generated = 0;
  };

  void TakeInvalid(int32_t step, CallUser user, const workload::DirectMapCall& recorded, CallTally& tally);
  void TakeDefault(int32_t step, CallUser user, const workload::DirectMapCall& recorded, CallTally& tally);
  // Begins to free the known area in which `frame` is, if a free may begin there.
  bool BeginKnown(int32_t step, model::FrameNumber frame);
  // Whether the recorded call is the next one of the first, or second, half.
  bool IsNextInvalid(const Free& free, const workload::DirectMapCall& recorded) const;
  bool IsNextDefault(Free& free, const workload::DirectMapCall& recorded) const;
  // The second half began before all of the first was recorded: what is left of the frames is another area.
  void EndEarly(Free& free, CallTally& tally);

  model::KernelRelease release_;
  std::deque<VmallocArea> areas_;
  std::unordered_map<uint64_t, Place> places_;  // by frame
  std::list<Free> frees_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_CALLS_VFREE_MATCHER_H_
