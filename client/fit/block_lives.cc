#include "client/fit/block_lives.h"

#include <algorithm>
#include <memory>

#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {

absl::StatusOr<BlockLives> ReadBlockLives(recording::Reader& reader) {
  using Kind = recording::Request::Kind;
  ASSIGN_OR_RETURN(const std::unique_ptr<recording::RequestStream> requests, recording::RequestStream::Create(&reader));
  BlockLives lives;
  lives.totals = requests->totals();
  lives.duration_us = std::max<uint64_t>(1, reader.end().duration_us());
  lives.held_blocks = static_cast<int64_t>(requests->held_before().size());
  for (const recording::Request& held : requests->held_before()) lives.held_pages += int64_t{1} << held.order;
  const uint64_t first_block = requests->held_before().size();
  for (;;) {
    ASSIGN_OR_RETURN(const std::optional<recording::Request> request, requests->Next());
    if (!request.has_value()) return lives;
    if (request->kind == Kind::kAllocate) {
      lives.blocks.push_back({.start_us = request->time_us,
                              .end_us = std::nullopt,
                              .user = request->user,
                              .order = request->order,
                              .migratetype = request->migratetype});
    } else if (request->block >= first_block) {
      lives.blocks[request->block - first_block].end_us = request->time_us;
    }
  }
}

int64_t LivePagesAt(const BlockLives& lives, uint64_t at_us) {
  int64_t pages = 0;
  for (const BlockLife& block : lives.blocks) {
    const bool in_use = block.start_us <= at_us && (!block.end_us.has_value() || *block.end_us > at_us);
    pages += in_use ? int64_t{1} << block.order : 0;
  }
  return pages;
}

double MeanLivePages(const BlockLives& lives) {
  double page_us = 0;
  for (const BlockLife& block : lives.blocks) {
    const uint64_t end = block.end_us.value_or(lives.duration_us);
    page_us += static_cast<double>(end - block.start_us) * static_cast<double>(uint64_t{1} << block.order);
  }
  return page_us / static_cast<double>(lives.duration_us);
}

}  // namespace dmfrag::client
