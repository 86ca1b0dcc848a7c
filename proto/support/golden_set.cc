#include "proto/support/golden_set.h"

namespace dmfrag {

const std::vector<GoldenJob>& GoldenSet() {
  static const auto& set = *new std::vector<GoldenJob>{};
  return set;
}

}  // namespace dmfrag
