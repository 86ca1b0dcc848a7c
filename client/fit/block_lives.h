#ifndef DMFRAG_CLIENT_FIT_BLOCK_LIVES_H_
#define DMFRAG_CLIENT_FIT_BLOCK_LIVES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/recording/reader.h"
#include "proto/recording/requests.h"

namespace dmfrag::client {

// A block that a recording allocated.
struct BlockLife {
  uint64_t start_us = 0;           // from the first event on
  std::optional<uint64_t> end_us;  // nullopt: in use at the end
  uint32_t user = 0;               // number in RecordingEnd.users
  uint8_t order = 0;
  uint8_t migratetype = 0;  // as Request
};

struct BlockLives {
  std::vector<BlockLife> blocks;  // by start
  uint64_t duration_us = 1;       // of the recording, at least 1
  int64_t held_blocks = 0;        // in use before the first event and freed later: not among `blocks`
  int64_t held_pages = 0;
  recording::RequestTotals totals = {};
};

// Reads all requests. Errors: those of the recording's blocks.
absl::StatusOr<BlockLives> ReadBlockLives(recording::Reader& reader);

// What the recording has in use at `at_us`, in pages, beside what it held before.
int64_t LivePagesAt(const BlockLives& lives, uint64_t at_us);

// Its mean from the first event to the last.
double MeanLivePages(const BlockLives& lives);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_FIT_BLOCK_LIVES_H_
