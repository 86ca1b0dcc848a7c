#ifndef DMFRAG_PROTO_RECORDING_EVENT_H_
#define DMFRAG_PROTO_RECORDING_EVENT_H_

#include <cstdint>

namespace dmfrag::recording {

// One event of a recorded kernel, in the form in which files hold it. Frames are the recorded kernel's.
struct Event {
  enum class Kind : uint8_t {
    kAllocate = 0,          // mm_page_alloc that found memory: a block
    kFree = 1,              // mm_page_free: a block
    kBulkAllocate = 2,      // the return of alloc_pages_bulk: `value` pages, whose frames are logged nowhere
    kCompactTake = 3,       // compaction took this free frame as a target
    kCompactBack = 4,       // and gave it back
    kPerCpuDrain = 5,       // mm_page_pcpu_drain: a block
    kSetInvalid = 6,        // set_direct_map_invalid_noflush: `value` pages from `frame` on
    kSetDefault = 7,        // set_direct_map_default_noflush: likewise
    kChangeAttributes = 8,  // __change_page_attr_set_clr on direct-map addresses: likewise; `detail` = attributes
    kSplit = 9,      // a direct-map leaf of `order` 9 or 18 that holds `frame` was split; `value` = frame of the table
    kCollapse = 10,  // leaves below one of `order` that holds `frame` were joined
    kMark = 11,      // trace_marker: `detail` = mark
    kLost = 12,      // `value` events were lost here; 0: not known how many
  };
  static constexpr uint8_t kKinds = 13;

  Kind kind = Kind::kAllocate;
  uint8_t order = 0;
  uint16_t cpu = 0;
  uint32_t detail = 0;   // number of the origin; for kChangeAttributes of the attributes, for kMark of the mark
  uint64_t time_us = 0;  // of the recording's clock; never less than the event's before
  uint64_t frame = 0;    // of a block, its first; below 2^40
  uint64_t value = 0;

  friend bool operator==(const Event&, const Event&) = default;
};

// Whether `detail` is the number of an origin.
constexpr bool HasOrigin(Event::Kind kind) {
  return kind != Event::Kind::kChangeAttributes && kind != Event::Kind::kMark && kind != Event::Kind::kLost;
}

}  // namespace dmfrag::recording

#endif  // DMFRAG_PROTO_RECORDING_EVENT_H_
