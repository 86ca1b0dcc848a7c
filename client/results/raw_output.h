#ifndef DMFRAG_CLIENT_RESULTS_RAW_OUTPUT_H_
#define DMFRAG_CLIENT_RESULTS_RAW_OUTPUT_H_

#include <memory>
#include <ostream>

#include "dmfrag/v1/experiments.pb.h"
#include "dmfrag/v1/results.pb.h"

namespace dmfrag::client {

// Writes one row per job as results come: job, point, replicate, the axes, state, seed, digests, model version,
// attempts, every metric of the registry, and why it failed. Absent values are empty or null, never 0. The table, for
// people, shows the headline figures and the head of the digest only.
class RawOutput {
 public:
  virtual ~RawOutput() = default;

  // REQUIRES: `result` has its spec.
  virtual void Add(const v1::Result& result) = 0;
  // After the last result.
  virtual void Finish() = 0;
};

std::unique_ptr<RawOutput> NewRawCsv(const v1::Experiment& experiment, std::ostream& out);
// {"experiment": NAME, "results": [{...}]}; 64-bit integers are strings.
std::unique_ptr<RawOutput> NewRawJson(const v1::Experiment& experiment, std::ostream& out);
std::unique_ptr<RawOutput> NewRawTable(const v1::Experiment& experiment, std::ostream& out);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RESULTS_RAW_OUTPUT_H_
