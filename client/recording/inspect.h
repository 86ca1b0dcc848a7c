#ifndef DMFRAG_CLIENT_RECORDING_INSPECT_H_
#define DMFRAG_CLIENT_RECORDING_INSPECT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/recording/run_snapshot.h"
#include "dmfrag/v1/recording.pb.h"
#include "proto/recording/event.h"
#include "proto/recording/requests.h"

namespace dmfrag::client {

// Blocks of one task and GFP flags, whatever the call stacks.
struct InspectedOrigin {
  std::string comm;       // empty: not kept
  std::string gfp_flags;  // empty: not recorded
  int64_t blocks = 0;
  int64_t pages = 0;
};

// One user of a recording. Blocks held before it are those that something happens to in it; others are not seen.
struct InspectedUser {
  std::string name;
  std::string kind;
  int64_t blocks = 0;       // allocated in the recording, implied ones included
  int64_t pages = 0;        // of those
  int64_t live_pages = 0;   // of those, in use at the end
  int64_t held_blocks = 0;  // in use before the first event
  int64_t held_pages = 0;
  std::vector<InspectedOrigin> origins =
      {};  // those with the most pages, at most kInspectedOrigins, from the largest on
};
inline constexpr size_t kInspectedOrigins = 3;

// A figure of the machine before and behind the events; nullopt: not known.
struct InspectedCounter {
  std::string name;
  std::optional<int64_t> before;
  std::optional<int64_t> after;
};

struct InspectedMachine {
  std::string kernel_release;  // empty, 0: not known
  std::string cpu_model;
  uint32_t cpus = 0;
  int64_t memory_bytes = 0;                 // usable, as the firmware's map gives it
  std::vector<InspectedCounter> counters;   // DirectMap4k, 2M, 1G in KiB; then splits, if the kernel counts them
  std::vector<int64_t> free_blocks_before;  // by order, of all zones; empty: not known
  std::vector<int64_t> free_blocks_after;
};

// What a file holds: a recording or a recorded run.
struct Inspection {
  std::string source;           // RecordingStart.source; "run" for a recorded run
  bool is_recording = true;     // what stands from `duration_us` on to `totals` is known of recordings alone
  std::optional<size_t> steps;  // of a run
  std::string cut_off;          // why the file is no whole one; empty: it is
  InspectedMachine machine;
  uint64_t duration_us = 0;
  int64_t events = 0;
  std::array<int64_t, recording::Event::kKinds> by_kind = {};
  int64_t lost_events = 0;  // -1: some, not known how many
  std::vector<std::pair<std::string, int64_t>> skipped;
  std::vector<InspectedUser> users;
  recording::RequestTotals totals;
  std::vector<std::string> limitations;
  std::vector<std::string> missing;  // what is not in it, and how to get it
};

// Name of a kind of event, for programs: "bulk_allocations".
std::string_view EventKindName(recording::Event::Kind kind);

// What a recording holds. Of one that was cut off, what is whole. Reads it three times; memory beside the file: as
// RequestStream. Errors: kInvalidArgument if it is no recording or is damaged. Thread-safe.
absl::StatusOr<Inspection> InspectRecording(std::string_view bytes);

// What a recorded run says of its machine. Thread-safe.
Inspection InspectRun(const RunSnapshots& run);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RECORDING_INSPECT_H_
