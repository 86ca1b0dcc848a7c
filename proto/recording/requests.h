#ifndef DMFRAG_PROTO_RECORDING_REQUESTS_H_
#define DMFRAG_PROTO_RECORDING_REQUESTS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/recording/event.h"
#include "proto/recording/reader.h"

namespace dmfrag::recording {

// What a recorded kernel asked of its page allocator, without whose frames it got: a block from its allocation to its
// free.
struct Request {
  enum class Kind : uint8_t { kAllocate, kFree };
  Kind kind = Kind::kAllocate;
  uint8_t order = 0;
  uint8_t migratetype = 0;  // of kAllocate: 0 unmovable, 1 movable, 2 reclaimable
  bool can_sleep = true;    // of kAllocate: the caller may wait (__GFP_DIRECT_RECLAIM), or changes permissions
  uint16_t cpu = 0;
  uint32_t user = 0;  // number in RecordingEnd.users
  uint32_t origin =
      0;  // of kAllocate in the recording: number in RecordingTables.origins. If implied, of what shows it
  uint64_t time_us = 0;  // from the recording's first event on
  uint64_t block = 0;    // number of the block. Those held before the recording come first, then in order of allocation
  uint64_t frame = 0;    // the recorded kernel's first
};

// What can be said of a recording as a whole.
struct RequestTotals {
  int64_t allocations = 0;    // blocks
  int64_t frees = 0;          // of blocks allocated in it
  int64_t frees_of_held = 0;  // of blocks that were in use before it began
  int64_t implied_allocations =
      0;                        // blocks that must have been allocated without a record: freed before, and in use again
  int64_t implied_frees = 0;    // allocated again without a free in between
  int64_t allocated_pages = 0;  // implied ones included
  int64_t freed_pages = 0;      // of those
  int64_t live_pages = 0;       // at the end: the difference
  int64_t table_pages = 0;      // taken by splits for page tables of the direct map: no requests, counted nowhere else
  int64_t splits_2m = 0;        // of the kernel, as recorded
  int64_t splits_1g = 0;
};

// The requests of a recording, in order of time. It is read twice: a block's user depends on what happens to it later.
//
// Frames that nothing named before are found in use when they are freed, or get rights back, or lose the last of them
// as code does that is freed: they were held before the recording began. Those that were free already are in use again
// then, or have the right to write taken: their allocation was not logged (alloc_pages_bulk logs none), and stands
// right before. A block freed in parts is so many blocks from its allocation on. A page that compaction moves, where
// that is recorded, stays the same block. A frame allocated twice was freed in between, right before. Linear; memory: a
// byte for each allocation, and a record for each block in use. Thread-compatible.
class RequestStream {
 public:
  // Reads the recording once. Borrows `reader`. Errors: those of its blocks.
  static absl::StatusOr<std::unique_ptr<RequestStream>> Create(Reader* reader);
  ~RequestStream();

  // The next request; nullopt at the end. Errors: those of the reader's blocks.
  absl::StatusOr<std::optional<Request>> Next();

  // Blocks that were in use before the first event and are freed later, by number. As kAllocate at time 0.
  const std::vector<Request>& held_before() const { return held_before_; }
  const RequestTotals& totals() const { return totals_; }

 private:
  RequestStream();
  struct Pass;

  Reader* reader_ = nullptr;
  std::unique_ptr<Pass> pass_;
  std::span<const Event> block_;
  size_t next_event_ = 0;
  std::deque<Request> ready_;
  std::vector<Request> held_before_;
  RequestTotals totals_;
};

}  // namespace dmfrag::recording

#endif  // DMFRAG_PROTO_RECORDING_REQUESTS_H_
