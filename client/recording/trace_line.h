#ifndef DMFRAG_CLIENT_RECORDING_TRACE_LINE_H_
#define DMFRAG_CLIENT_RECORDING_TRACE_LINE_H_

#include <optional>
#include <string_view>

#include "client/recording/raw_event.h"

namespace dmfrag::client {

// How a line of a recording's text begins, whichever tool printed it: /sys/kernel/tracing/trace, `trace-cmd report` or
// `perf script`. Parts point into the line.
struct LineFrame {
  std::string_view comm;
  uint32_t cpu = 0;
  bool has_cpu = false;
  uint64_t time_us = 0;
  // Without system: "mm_page_alloc". Empty if no event's name follows ("PERF_RECORD_LOST lost 3").
  std::string_view name;
  bool has_system = false;  // "kmem:" stood before it
  std::string_view rest;    // behind the name
};

// nullopt if the line is no event of these tools.
std::optional<LineFrame> ParseFrame(std::string_view line);

// Puts the fields "name=value" of `rest` that are known into `event`. False if one of them holds no number, or one
// beyond 64 bits.
bool ParseFields(std::string_view rest, RawEvent& event);

// A whole number: decimal, or hexadecimal with 0x. nullopt for anything else.
std::optional<uint64_t> ParseNumber(std::string_view text);

// The function of a line of a call stack: " => f", "=> f (ffffffff8161f78b)" or "\tffffffff8161f78b f+0x26b (...)".
// Empty if it is one in user space or without a name; nullopt if the line is none of a call stack.
std::optional<std::string_view> ParseStackLine(std::string_view line);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RECORDING_TRACE_LINE_H_
