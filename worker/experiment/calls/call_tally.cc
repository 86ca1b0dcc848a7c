#include "worker/experiment/calls/call_tally.h"

#include <algorithm>

namespace dmfrag::experiment {

std::string_view NameOf(CallUser user) {
  switch (user) {
    case CallUser::kSecretmem:
      return "secretmem";
    case CallUser::kSetMemory:
      return "set_memory";
    case CallUser::kBpf:
      return "bpf";
    case CallUser::kModule:
      return "module";
    case CallUser::kOther:
      return "other";
  }
  return "";
}

void CallTally::Add(int32_t step, CallUser user, int64_t recorded, int64_t generated, int64_t equal, int64_t learned) {
  CallComparison& row = rows_[{step, user}];
  row.step = step;
  row.user = user;
  row.recorded += recorded;
  row.generated += generated;
  row.equal += equal;
  row.learned += learned;
}

void CallTally::Unlearn(int32_t step, CallUser user, int64_t calls) {
  CallComparison& row = rows_[{step, user}];
  row.step = step;
  row.user = user;
  const int64_t taken = std::min(row.learned, calls);
  row.learned -= taken;
  row.generated -= taken;
}

std::vector<CallComparison> CallTally::comparisons() const {
  std::vector<CallComparison> comparisons;
  for (const auto& [key, row] : rows_) {
    if (row.recorded != 0 || row.generated != 0) comparisons.push_back(row);
  }
  return comparisons;
}

}  // namespace dmfrag::experiment
