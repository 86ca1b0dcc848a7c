#ifndef DMFRAG_CLIENT_CAPTURE_FREE_PAGES_H_
#define DMFRAG_CLIENT_CAPTURE_FREE_PAGES_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace dmfrag::client {

// 4K pages that are in no block, by /proc/zoneinfo: nr_free_pages and the counts of per-CPU lists of all zones. Absent
// if the text has none. The kernel updates nr_free_pages in batches for each CPU (mm/vmstat.c), so it may be some
// hundred pages off.
std::optional<int64_t> FreePages(std::string_view zoneinfo);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CAPTURE_FREE_PAGES_H_
