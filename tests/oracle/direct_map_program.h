#ifndef DMFRAG_TESTS_ORACLE_DIRECT_MAP_PROGRAM_H_
#define DMFRAG_TESTS_ORACLE_DIRECT_MAP_PROGRAM_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/oracle/direct_map_lockstep.h"
#include "worker/model/attribute_changer.h"
#include "worker/model/direct_map.h"

namespace dmfrag::tests {

// A starting direct map and requests for it.
struct DirectMapProgram {
  enum class Target { kDirectMap, kArea, kImage, kCollapse };  // the last: AttributeChanger::Collapse
  struct Step {
    Target target = Target::kDirectMap;
    model::AttributeRequest request;  // elsewhere than in the direct map, frame 0 stands for the mapping's first page
    uint64_t tables_left = RecordedTables::kEndless;
  };
  std::vector<model::LeafRun> start;
  LockstepOptions options;
  std::vector<Step> steps;
};

// Any bytes are a program, so that random ones and a fuzzer's are: one byte for the start and one for the
// rules, then eight to a request, at most 64 of them, or 12 on whole GiBs (first byte below 6); what is left over is
// dropped. Kept corpora depend on the
// format.
DirectMapProgram ProgramFromBytes(std::string_view bytes);

// Runs `program` on a map and its reference. Empty if they agree after every step, else DirectMapLockstep::Perform's
// text. Adds what happened to `events`.
std::string RunInLockstep(const DirectMapProgram& program, model::EventCounters& events);

}  // namespace dmfrag::tests

#endif  // DMFRAG_TESTS_ORACLE_DIRECT_MAP_PROGRAM_H_
