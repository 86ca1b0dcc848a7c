#include "client/recording/raw_event.h"

namespace dmfrag::client {

RawKind KindOfEvent(std::string_view name) {
  // The three most frequent first: this is asked of every line.
  if (name == "mm_page_alloc") return RawKind::kPageAlloc;
  if (name == "mm_page_free") return RawKind::kPageFree;
  if (name == "mm_page_free_batched") return RawKind::kOther;
  struct Named {
    std::string_view name;
    RawKind kind;
  };
  constexpr Named kNamed[] = {
      {"mm_page_pcpu_drain", RawKind::kPcpuDrain},
      {"sdm_invalid", RawKind::kSetInvalid},
      {"sdm_default", RawKind::kSetDefault},
      {"sdm_valid", RawKind::kSetValid},
      {"cpa", RawKind::kCpa},
      {"split", RawKind::kSplit},
      {"bulk_ret", RawKind::kBulkReturn},
      {"compact_take", RawKind::kCompactTake},
      {"compact_back", RawKind::kCompactBack},
      {"tracing_mark_write", RawKind::kMark},
      {"kernel_stack", RawKind::kStack},
  };
  for (const Named& one : kNamed) {
    if (one.name == name) return one.kind;
  }
  return RawKind::kOther;
}

}  // namespace dmfrag::client
