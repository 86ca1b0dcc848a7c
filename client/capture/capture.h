#ifndef DMFRAG_CLIENT_CAPTURE_CAPTURE_H_
#define DMFRAG_CLIENT_CAPTURE_CAPTURE_H_

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/capture/system_files.h"
#include "client/capture/trace_session.h"
#include "client/environment/interrupt.h"
#include "client/recording/user_rules.h"
#include "dmfrag/v1/recording.pb.h"
#include "proto/recording/event.h"

namespace dmfrag::client {

struct CaptureOptions {
  std::filesystem::path file;
  // A file of that name is replaced.
  bool force = false;
  // False: the snapshot alone.
  bool trace = true;
  absl::Duration length = absl::Seconds(30);
  // Tells users apart. Borrowed; not null.
  const UserRules* rules = &UserRules::Default();
  // Called when events begin to be recorded, if they are. May be empty.
  std::function<void()> on_trace = {};
  // options.privacy holds for the snapshot too.
  TraceOptions options;
};

// What a capture recorded.
struct CaptureReport {
  std::array<int64_t, recording::Event::kKinds> by_kind = {};
  v1::RecordingEnd end;
  // How long it traced; zero: not at all.
  absl::Duration length;
  int64_t file_bytes = 0;
  // What is missing and how to get it; a sentence each.
  std::vector<std::string> missing;
};

// Records the machine that `files` are of into one recording file, which appears under its name when it is whole. An
// interrupt ends it early, with a whole file. Without tracefs or rights to it, the snapshot alone is recorded, and
// `missing` says so. Errors: kAlreadyExists, kInvalidArgument if the file cannot be written; those of the trace.
absl::StatusOr<CaptureReport> Capture(const CaptureOptions& options, const SystemFiles& files,
                                      const Interrupt& interrupt);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CAPTURE_CAPTURE_H_
