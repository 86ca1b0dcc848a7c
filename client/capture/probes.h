#ifndef DMFRAG_CLIENT_CAPTURE_PROBES_H_
#define DMFRAG_CLIENT_CAPTURE_PROBES_H_

#include <string>
#include <vector>

#include "client/capture/kernel_symbols.h"

namespace dmfrag::client {

// A dynamic event on a function of the kernel (Documentation/trace/kprobetrace.rst). Its fields are those that
// EventDecoder looks for by the event's name.
struct Probe {
  std::string event;
  bool at_return = false;
  std::string function;
  std::string fields;
};

struct ProbePlan {
  std::vector<Probe> probes;
  // What this kernel has no function for; a sentence each.
  std::vector<std::string> missing;
};

// Probes on the functions that change the direct map or allocate without a trace event, of those this kernel has
// (names of 6.1 to 7.3). Splits have none: the function that makes them is inlined in every kernel looked at.
ProbePlan PlanProbes(const KernelSymbols& symbols);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CAPTURE_PROBES_H_
