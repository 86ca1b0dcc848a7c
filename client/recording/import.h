#ifndef DMFRAG_CLIENT_RECORDING_IMPORT_H_
#define DMFRAG_CLIENT_RECORDING_IMPORT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/recording/user_rules.h"
#include "dmfrag/v1/recording.pb.h"
#include "proto/recording/event.h"
#include "proto/recording/writer.h"

namespace dmfrag::client {

struct ImportOptions {
  // Who is who. Borrowed.
  const UserRules* users = &UserRules::Default();
  std::optional<v1::MachineSnapshot> before = {};
  std::optional<v1::MachineSnapshot> after = {};
  // Address of the direct map's first byte, if it is known.
  std::optional<uint64_t> page_offset_base = {};
  // What came before an error is a recording, whose limitations say so.
  bool partial = false;
};

struct ImportSummary {
  std::string source;
  std::array<int64_t, recording::Event::kKinds> by_kind = {};
  v1::RecordingEnd end;
};

// Makes one recording of what another tool recorded: text of ftrace, trace-cmd report or perf script, or a trace.dat,
// each plain or compressed; or reads a recording file again, and tells its users apart anew. The form is seen from the
// content. Bytes of the file go to `sink`. Memory is bounded for any input but a recording file, which is held whole.
// Errors: kInvalidArgument if it holds no event of ours, or more than one boot; kDataLoss if it was cut off or is
// damaged; kNotFound if there is no such file; the sink's. What the sink got before an error is no whole file.
absl::StatusOr<ImportSummary> ImportRecording(const std::string& path, const ImportOptions& options,
                                              recording::Writer::Sink sink);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RECORDING_IMPORT_H_
