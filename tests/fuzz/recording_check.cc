#include "tests/fuzz/recording_check.h"

#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>

#include "proto/recording/reader.h"
#include "proto/recording/requests.h"

namespace dmfrag::tests {
namespace {

void Require(bool fact) {
  if (!fact) std::abort();
}

bool Refused(const absl::Status& status) {
  Require(status.ok() || !status.message().empty());
  return !status.ok();
}

bool EventsReadRight(recording::Reader& reader) {
  uint64_t last_us = 0;
  while (true) {
    const auto block = reader.NextBlock();
    if (Refused(block.status())) return false;
    if (block->empty()) return true;
    for (const recording::Event& event : *block) {
      Require(event.time_us >= last_us);
      last_us = event.time_us;
    }
  }
}

bool RequestsReadRight(recording::Reader& reader) {
  const auto stream = recording::RequestStream::Create(&reader);
  if (Refused(stream.status())) return false;
  std::map<uint64_t, uint8_t> in_use;  // order, by block
  for (const recording::Request& held : (*stream)->held_before()) {
    Require(in_use.emplace(held.block, held.order).second);
  }
  const uint64_t held_blocks = in_use.size();
  int64_t live_pages = 0;
  uint64_t last_us = 0;
  while (true) {
    const auto request = (*stream)->Next();
    Require(request.ok());  // the first reading found nothing wrong
    if (!request->has_value()) break;
    const recording::Request& one = **request;
    Require(one.time_us >= last_us && one.user < static_cast<uint32_t>(reader.end().users_size()));
    last_us = one.time_us;
    const int64_t pages = int64_t{1} << one.order;
    if (one.kind == recording::Request::Kind::kAllocate) {
      Require(one.block >= held_blocks && in_use.emplace(one.block, one.order).second);
      live_pages += pages;
    } else {
      const auto block = in_use.find(one.block);
      Require(block != in_use.end() && block->second == one.order);
      in_use.erase(block);
      if (one.block >= held_blocks) live_pages -= pages;
    }
  }
  Require(live_pages == (*stream)->totals().live_pages);
  return true;
}

}  // namespace

bool ReadsRight(std::string_view bytes) {
  const auto reader = recording::Reader::Open(bytes);
  return !Refused(reader.status()) && EventsReadRight(**reader) && RequestsReadRight(**reader);
}

}  // namespace dmfrag::tests
