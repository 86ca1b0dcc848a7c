#ifndef DMFRAG_PROTO_RECORDING_READER_H_
#define DMFRAG_PROTO_RECORDING_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dmfrag/v1/recording.pb.h"
#include "proto/recording/event.h"

namespace dmfrag::recording {

// Whether a file begins as a recording does.
bool LooksLikeRecording(std::string_view bytes);

// A recording file in memory. Everything but the events is read at once; events block by block, as often as wanted.
// Memory beside the file: the tables and one block. Thread-compatible.
class Reader {
 public:
  // Borrows `bytes`, which must outlive the reader. Errors: kInvalidArgument if it is no recording, was cut off, is
  // damaged, or of a later form; the text names the place and how many events stand before it.
  static absl::StatusOr<std::unique_ptr<Reader>> Open(std::string_view bytes);

  const v1::RecordingStart& start() const { return start_; }
  const v1::RecordingTables& tables() const { return tables_; }
  const v1::RecordingEnd& end() const { return end_; }

  // The next events; empty behind the last. Valid until the next call. Numbers in them are those of tables().
  // Errors: kInvalidArgument if the block is damaged.
  absl::StatusOr<std::span<const Event>> NextBlock();

  // The next block is the first again.
  void Rewind() {
    next_block_ = 0;
    last_time_us_ = 0;
  }

 private:
  struct Block {
    std::string_view compressed;
    size_t content_bytes = 0;
  };
  Reader() = default;

  v1::RecordingStart start_;
  v1::RecordingTables tables_;
  v1::RecordingEnd end_;
  std::vector<Block> blocks_;
  size_t next_block_ = 0;
  uint64_t last_time_us_ = 0;
  std::string content_;
  std::vector<Event> events_;
};

// A recording that was cut off, as far as it goes: the blocks of events that are whole, with an end that says so and
// knows one ordinary user. A whole one stays as it is. Errors: as Open, but for the missing end.
absl::StatusOr<std::string> Repair(std::string_view bytes);

}  // namespace dmfrag::recording

#endif  // DMFRAG_PROTO_RECORDING_READER_H_
