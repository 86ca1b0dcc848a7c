#ifndef DMFRAG_PROTO_RECORDING_WRITER_H_
#define DMFRAG_PROTO_RECORDING_WRITER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dmfrag/v1/recording.pb.h"
#include "proto/recording/event.h"

// Recording files, whose form docs/recording-format.md gives byte by byte: a magic line, then sections, each compressed
// (zstd) and with a digest of its own (XXH64): the start, tables and blocks of events in turn, the end.
namespace dmfrag::recording {

inline constexpr std::string_view kMagic = "dmfrag recording 1\n";

// Writes a recording as it comes: a block of events at a time. Memory: one block, and the tables. Thread-compatible.
class Writer {
 public:
  // Takes the file's bytes in order. An error ends the writing.
  using Sink = std::function<absl::Status(std::string_view)>;

  // From so many origins on, new ones are kept without their stack; from twice as many on, without their name, too;
  // from three times as many on, without their flags.
  static constexpr uint32_t kMaxOrigins = uint32_t{1} << 17;

  // Writes what stands before the events. Errors: the sink's.
  static absl::StatusOr<std::unique_ptr<Writer>> Create(Sink sink, const v1::RecordingStart& start);

  // Number of an equal entry, which is new if there is none. Entries are never taken away again. Bytes of texts that
  // are not UTF-8 become '?'.
  uint32_t OriginNumber(const v1::RecordingOrigin& origin);
  uint32_t AttributesNumber(const v1::RecordingAttributes& attributes);
  uint32_t MarkNumber(std::string_view text);

  // A time before that of the event before is moved up to it. REQUIRES: numbers in it came from this writer.
  // Errors: the sink's.
  absl::Status Add(const Event& event);

  // Writes what is left. `end.events` and `end.duration_us` are set by the writer. REQUIRES: not called before.
  // Errors: the sink's.
  absl::Status Finish(v1::RecordingEnd end);

  // Every origin so far, by number.
  const std::vector<v1::RecordingOrigin>& origins() const { return origins_; }
  int64_t events() const { return events_; }
  // From the first event to the last so far.
  uint64_t duration_us() const { return last_time_us_ - first_time_us_; }

 private:
  explicit Writer(Sink sink) : sink_(std::move(sink)) {}
  absl::Status WriteSection(char type, std::string_view content);
  absl::Status WriteBlock();

  Sink sink_;
  std::vector<Event> block_;
  v1::RecordingTables new_tables_;
  std::vector<v1::RecordingOrigin> origins_;
  // By content. Their order reaches no file.
  absl::flat_hash_map<std::string, uint32_t> origin_numbers_;
  absl::flat_hash_map<std::string, uint32_t> attributes_numbers_;
  absl::flat_hash_map<std::string, uint32_t> mark_numbers_;
  int64_t events_ = 0;
  uint64_t first_time_us_ = 0;
  uint64_t last_time_us_ = 0;
};

}  // namespace dmfrag::recording

#endif  // DMFRAG_PROTO_RECORDING_WRITER_H_
