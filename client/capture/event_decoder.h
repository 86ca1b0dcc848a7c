#ifndef DMFRAG_CLIENT_CAPTURE_EVENT_DECODER_H_
#define DMFRAG_CLIENT_CAPTURE_EVENT_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/capture/trace_record.h"

namespace dmfrag::client {

// How the running kernel lays out one event: the file `format` of events/SYSTEM/NAME.
struct EventFormat {
  std::string system;
  std::string text;
};

// Reads pages of the kernel's ring buffer as trace_pipe_raw gives them (kernel/trace/ring_buffer.c), by the formats the
// kernel itself printed: no layout is assumed. Events without a meaning for a recording are passed over.
// Thread-compatible.
class EventDecoder {
 public:
  // Errors: kInvalidArgument if a format cannot be read or lacks a field that is needed.
  static absl::StatusOr<std::unique_ptr<EventDecoder>> Create(const std::vector<EventFormat>& formats);
  ~EventDecoder();

  // Appends what one page of CPU `cpu` holds, oldest first. A page before which the kernel dropped records starts with
  // an event kLost. Errors: kDataLoss if it is no such page.
  absl::Status DecodePage(uint16_t cpu, std::span<std::byte> page, std::vector<TraceRecord>& records);

  // GFP flags as this kernel prints them; "none" for 0. Empty: mm_page_alloc is not among the formats.
  const std::string& GfpText(uint64_t gfp);

 private:
  struct State;
  explicit EventDecoder(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CAPTURE_EVENT_DECODER_H_
