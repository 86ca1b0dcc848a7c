#ifndef DMFRAG_PROTO_RECORDING_EVENT_BLOCK_H_
#define DMFRAG_PROTO_RECORDING_EVENT_BLOCK_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "proto/recording/event.h"

namespace dmfrag::recording {

// Events of one section, column by column: their number, and then of every event in turn a byte of kind (low half) and
// order (high half; orders from 15 on, 18 alone, are written 15); processors; details; times, each less the one before
// (the first whole); frames, each less the one before, zigzag; and the values of those kinds that have one. All but the
// bytes are varints of base 128. Each column stands behind its length in bytes.
inline constexpr size_t kMaxBlockEvents = 65536;

// REQUIRES: 1 to kMaxBlockEvents, in order of time, with orders up to 14 or 18. Thread-safe.
std::string EncodeBlock(std::span<const Event> events);

// Takes the place of what `events` held. Errors: kInvalidArgument if the block makes no sense. Thread-safe.
absl::Status DecodeBlock(std::string_view block, std::vector<Event>& events);

}  // namespace dmfrag::recording

#endif  // DMFRAG_PROTO_RECORDING_EVENT_BLOCK_H_
