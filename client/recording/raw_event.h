#ifndef DMFRAG_CLIENT_RECORDING_RAW_EVENT_H_
#define DMFRAG_CLIENT_RECORDING_RAW_EVENT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dmfrag::client {

// What an event of a recording is, by its name in the kernel.
enum class RawKind : uint8_t {
  kOther,
  kPageAlloc,    // kmem:mm_page_alloc
  kPageFree,     // kmem:mm_page_free
  kPcpuDrain,    // kmem:mm_page_pcpu_drain
  kSetInvalid,   // probe sdm_invalid, on set_direct_map_invalid_noflush
  kSetDefault,   // sdm_default, on set_direct_map_default_noflush
  kSetValid,     // sdm_valid, on set_direct_map_valid_noflush
  kCpa,          // cpa, on __change_page_attr_set_clr
  kSplit,        // split, in it
  kBulkReturn,   // bulk_ret, on the return of alloc_pages_bulk
  kCompactTake,  // compact_take, on the return of compaction_alloc
  kCompactBack,  // compact_back, on compaction_free
  kMark,         // what somebody wrote to trace_marker
  kStack,        // the call stack of the event before of this CPU
};

// kOther for a name that is none of ours. `name` is without its system ("kmem:").
RawKind KindOfEvent(std::string_view name);

// Fields of these events, by name.
enum class RawField : uint8_t {
  kPfn,
  kOrder,
  kMigratetype,
  kPage,
  kVmb,
  kPob,
  kVaddr,
  kPages,
  kSet,
  kClear,
  kFlags,
  kForce,
  kAddress,
  kLevel,
  kBase,
  kValid,
};
inline constexpr size_t kRawFields = 16;
inline constexpr std::array<std::string_view, kRawFields> kRawFieldNames = {
    "pfn", "order", "migratetype", "page",  "vmb",  "pob",   "vaddr", "n",
    "set", "clr",   "fl",          "force", "addr", "level", "base",  "valid"};

// One event as a recorder wrote it. Thread-compatible.
struct RawEvent {
  RawKind kind = RawKind::kOther;
  uint32_t cpu = 0;
  uint64_t time_us = 0;
  int64_t place = 0;  // line or record, from 1 on
  std::string_view comm = {};
  std::string_view gfp_flags = {};
  std::string_view text = {};  // of kMark
  uint32_t present = 0;        // a bit for each field
  std::array<uint64_t, kRawFields> values;

  bool Has(RawField field) const { return (present >> static_cast<unsigned>(field) & 1) != 0; }
  uint64_t Get(RawField field) const { return values[static_cast<size_t>(field)]; }
  void Put(RawField field, uint64_t value) {
    values[static_cast<size_t>(field)] = value;
    present |= uint32_t{1} << static_cast<unsigned>(field);
  }
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RECORDING_RAW_EVENT_H_
