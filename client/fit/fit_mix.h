#ifndef DMFRAG_CLIENT_FIT_FIT_MIX_H_
#define DMFRAG_CLIENT_FIT_FIT_MIX_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/fit/block_lives.h"
#include "dmfrag/v1/recording.pb.h"
#include "dmfrag/v1/workload.pb.h"

namespace dmfrag::client {

inline constexpr uint32_t kDefaultFitWindows = 16;
// A mix has at most 32 phases.
inline constexpr uint32_t kMostFitWindows = 32;

struct FittedMix {
  v1::Mix mix;
  std::vector<std::string> remarks;  // what fits badly, a sentence each
  // What the mix has in use on average over its draws, in pages.
  double expected_live_at_end = 0;
  double expected_mean_live = 0;
};

// A mix that comes and goes as the recording did. Time is cut into windows (phases) of equal activity, time and
// allocated pages counting half each. Objects are blocks that came and went together. For each user, order and
// migratetype there is one user of the mix with its rate in each window, its sizes, and its lives, weighted by pages,
// by Kaplan-Meier; where there is room for more users, the objects that hold most pages for longest are users of their
// own: those of one window, of about one size, that end in one window. Sizes and intervals are tables where objects are
// many enough for their sum to be within 5 % of what was recorded, else their mean. Blocks held before the recording
// are left out: they are in use in its snapshot. `windows` 1 to kMostFitWindows. Errors: kInvalidArgument if nothing
// was allocated, or a kind of user is not known.
absl::StatusOr<FittedMix> FitMix(const BlockLives& lives,
                                 const google::protobuf::RepeatedPtrField<v1::RecordingUser>& users, uint32_t windows);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_FIT_FIT_MIX_H_
