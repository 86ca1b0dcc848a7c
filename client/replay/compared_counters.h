#ifndef DMFRAG_CLIENT_REPLAY_COMPARED_COUNTERS_H_
#define DMFRAG_CLIENT_REPLAY_COMPARED_COUNTERS_H_

#include <array>
#include <cstdint>
#include <optional>

#include "dmfrag/v1/job_result.pb.h"

namespace dmfrag::client {

// One of the counters that are compared.
struct ComparedCounter {
  const char* title;
  const char* name;
  std::optional<int64_t> (*value)(const v1::DirectMapCounters&);
};

// Those of DirectMapCounters, in its order.
inline constexpr std::array<ComparedCounter, 7> kComparedCounters = {{
    {"DirectMap4k", "direct_map_4k_kib", [](const auto& c) { return std::optional(c.direct_map_4k_kib()); }},
    {"DirectMap2M", "direct_map_2m_kib", [](const auto& c) { return std::optional(c.direct_map_2m_kib()); }},
    {"DirectMap1G", "direct_map_1g_kib",
     [](const auto& c) { return c.has_direct_map_1g_kib() ? std::optional(c.direct_map_1g_kib()) : std::nullopt; }},
    {"2M splits", "level2_splits", [](const auto& c) { return std::optional(c.level2_splits()); }},
    {"1G splits", "level3_splits", [](const auto& c) { return std::optional(c.level3_splits()); }},
    {"2M collapses", "level2_collapses",
     [](const auto& c) { return c.has_level2_collapses() ? std::optional(c.level2_collapses()) : std::nullopt; }},
    {"1G collapses", "level3_collapses",
     [](const auto& c) { return c.has_level3_collapses() ? std::optional(c.level3_collapses()) : std::nullopt; }},
}};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_REPLAY_COMPARED_COUNTERS_H_
