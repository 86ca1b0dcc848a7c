#ifndef DMFRAG_WORKER_MODEL_MEMORY_MAP_H_
#define DMFRAG_WORKER_MODEL_MEMORY_MAP_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// Bytes [start, end).
struct ByteRange {
  uint64_t start = 0;
  uint64_t end = 0;
};

// Which frames are memory: the usable ranges of an e820 map, cut to whole frames, neighbours joined. Immutable.
//
// Source: arch/x86/kernel/e820.c e820__memblock_setup; that only usable ranges count is measured on 64 boots with odd
// maps.
class MemoryMap {
 public:
  // Largest address a map may reach: 128 TiB, twice the largest machine, so that holes have room.
  static constexpr uint64_t kMaxAddressBytes = uint64_t{1} << 47;

  // From usable ranges, ascending and disjoint.
  // Errors: kInvalidArgument if there is none, or one is empty, out of order, or beyond kMaxAddressBytes.
  static absl::StatusOr<MemoryMap> FromUsableRanges(const std::vector<ByteRange>& ranges);

  // A PC's layout of `memory_bytes`: a legacy hole at 640 KiB..1 MiB, and memory above 3 GiB continued at 4 GiB (qemu's
  // "pc" machine). The hole's memory is lost, as on a PC. Errors: kInvalidArgument if `memory_bytes` is not a multiple
  // of 4 KiB or not in 2 MiB..64 TiB.
  static absl::StatusOr<MemoryMap> Pc(uint64_t memory_bytes);

  // Ascending, disjoint, not adjacent.
  const std::vector<FrameRange>& ranges() const { return ranges_; }
  // One past the last frame.
  FrameNumber end() const { return ranges_.back().end; }
  FrameCount total() const;
  // Every frame of `range` is memory. Logarithmic.
  bool Covers(FrameRange range) const;

 private:
  explicit MemoryMap(std::vector<FrameRange> ranges) : ranges_(std::move(ranges)) {}
  std::vector<FrameRange> ranges_;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_MEMORY_MAP_H_
