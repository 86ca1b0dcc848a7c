// Any bytes as a capture: its dumps of free lists and its counts of free blocks, or an error, never a crash.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "worker/workload/allocator_capture.h"
#include "worker/workload/page_type_info.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto dumps = dmfrag::workload::ReadAllocatorDumps(bytes);
  const auto counts = dmfrag::workload::ReadFreeCounts(bytes);
  // An error says what is wrong.
  if (!dumps.ok() && dumps.status().message().empty()) std::abort();
  if (!counts.ok() && counts.status().message().empty()) std::abort();
  return 0;
}
