#ifndef DMFRAG_WORKER_WORKLOAD_PAGE_TYPE_INFO_H_
#define DMFRAG_WORKER_WORKLOAD_PAGE_TYPE_INFO_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/model/migratetype.h"
#include "worker/model/units.h"

namespace dmfrag::workload {

// Counts of one zone of one node, as /proc/pagetypeinfo prints them. HighAtomic, CMA and Isolate are left out.
struct ZoneTypeCounts {
  uint32_t node = 0;
  std::string zone;                                                               // "DMA", "DMA32", "Normal"
  std::array<std::array<uint64_t, model::kOrders>, model::kMigratetypes> free{};  // blocks, by type, then order
  bool capped = false;                                                            // a count was printed as ">100000"
  std::array<uint64_t, model::kMigratetypes> pageblocks{};                        // by type
  friend bool operator==(const ZoneTypeCounts&, const ZoneTypeCounts&) = default;
};

// Free blocks of one zone of one node, as /proc/buddyinfo prints them.
struct ZoneFreeCounts {
  uint32_t node = 0;
  std::string zone;
  std::array<uint64_t, model::kOrders> free{};  // blocks by order
  friend bool operator==(const ZoneFreeCounts&, const ZoneFreeCounts&) = default;
};

// What a step's dump says of free memory, in no order of frames.
struct FreeCounts {
  int32_t step = 0;
  std::optional<model::FrameCount> mem_total;  // MemTotal, MemFree
  std::optional<model::FrameCount> mem_free;
  std::vector<ZoneTypeCounts> types;  // as printed; empty: not recorded
  std::vector<ZoneFreeCounts> free;   // by node, then zone; empty: not recorded
};

// Reads the text of /proc/pagetypeinfo, line by line; unknown lines and types are skipped.
// Errors: kInvalidArgument if a count is no number or a line has more or fewer of them than there are orders; the text
// names the line.
absl::StatusOr<std::vector<ZoneTypeCounts>> ParsePageTypeInfo(const std::vector<std::string>& lines);

// The counts of every step of a capture that recorded any (JSON of the format "dmtruth-1", plain or compressed by xz),
// in order. Errors: kInvalidArgument as of ReadKernelCapture and ParsePageTypeInfo. Thread-safe.
absl::StatusOr<std::vector<FreeCounts>> ReadFreeCounts(std::string_view bytes);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_PAGE_TYPE_INFO_H_
