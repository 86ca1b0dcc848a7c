#ifndef DMFRAG_CLIENT_FIT_SURVIVAL_H_
#define DMFRAG_CLIENT_FIT_SURVIVAL_H_

#include <cstdint>
#include <vector>

#include "dmfrag/v1/distribution.pb.h"

namespace dmfrag::client {

// A value, how often it was seen, and whether it is only known to be at least that much.
struct WeightedValue {
  uint64_t value = 0;
  uint64_t weight = 1;
  bool is_censored = false;
};

// A table of at most `most` values with the same mean, up to rounding: neighbours are joined to their mean. A constant
// if there is one value alone. REQUIRES: not empty, none censored, most > 0.
v1::Distribution TableOf(std::vector<WeightedValue> values, size_t most);

// Lives, of which some had not ended when the recording did: Kaplan-Meier's estimate (1958). What outlives the last end
// that was seen lives for `beyond_us`. REQUIRES: not empty, most > 1.
v1::Distribution LifetimesOf(std::vector<WeightedValue> lives, uint64_t beyond_us, size_t most);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_FIT_SURVIVAL_H_
