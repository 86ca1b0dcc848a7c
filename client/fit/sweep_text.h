#ifndef DMFRAG_CLIENT_FIT_SWEEP_TEXT_H_
#define DMFRAG_CLIENT_FIT_SWEEP_TEXT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "dmfrag/v1/workload.pb.h"

namespace dmfrag::client {

// What a sweep of a fitted mix says beside the mix.
struct SweepHead {
  std::vector<std::string> comments;  // lines at the top
  std::string name;                   // of the experiment
  std::string boot_snapshot;          // file that the machine starts from; empty: it boots
  uint64_t memory_bytes = 0;          // of a machine that boots; 0: the default
  uint32_t cpus = 0;                  // likewise
  std::string kernel;                 // both rules, for example "6.12"; empty: the default
  uint64_t duration_us = 1;
  uint32_t replicates = 3;
};

// A complete sweep file in YAML, under no cache.
std::string SweepText(const SweepHead& head, const v1::Mix& mix);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_FIT_SWEEP_TEXT_H_
