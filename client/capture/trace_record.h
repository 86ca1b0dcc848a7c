#ifndef DMFRAG_CLIENT_CAPTURE_TRACE_RECORD_H_
#define DMFRAG_CLIENT_CAPTURE_TRACE_RECORD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "proto/recording/event.h"

namespace dmfrag::client {

// One record of a CPU's trace buffer, decoded. What of it goes to the recording is said by `what`.
struct TraceRecord {
  enum class What : uint8_t {
    kEvent,         // `event` without origin and time, which come from the fields below
    kTaskName,      // task `pid` is called `name` from now on
    kStack,         // `stack` is that of the same CPU's and task's record before
    kArrayChange,   // a change of attributes of an array of pages, whose frames the probe does not see
    kOtherMapping,  // a change of attributes outside the direct map
  };

  What what = What::kEvent;
  recording::Event event = {};
  uint64_t time_ns = 0;  // of the trace's clock
  int32_t pid = 0;
  // Of kAllocate.
  uint64_t gfp = 0;
  uint8_t migratetype = 0;
  // Of kChangeAttributes.
  uint64_t set = 0;
  uint64_t clear = 0;
  uint32_t cpa_flags = 0;
  bool force_split = false;
  std::string name = {};
  // Return addresses, innermost first.
  std::vector<uint64_t> stack = {};
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CAPTURE_TRACE_RECORD_H_
