#ifndef DMFRAG_CLIENT_RECORDING_LINE_READER_H_
#define DMFRAG_CLIENT_RECORDING_LINE_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/recording/byte_source.h"

namespace dmfrag::client {

// Lines of a text of any length, in a buffer of fixed size. Thread-compatible.
class LineReader {
 public:
  static constexpr size_t kMaxLine = size_t{64} << 10;
  static constexpr size_t kBuffer = size_t{1} << 20;

  // Borrows `source`.
  explicit LineReader(ByteSource* source) : source_(source), buffer_(kBuffer) {}

  // The first bytes, at most a buffer, without taking them; fewer only if the input is shorter, or fails there: the
  // failure is given by Next. REQUIRES: no line was taken.
  std::string_view Peek();

  // The next line without its end ("\n" or "\r\n"); nullopt behind the last. Valid until the next call. Lines longer
  // than kMaxLine are passed over. Errors: the source's, behind every whole line before.
  absl::StatusOr<std::optional<std::string_view>> Next();

  // Of the line given last, from 1 on.
  int64_t line() const { return line_; }
  int64_t too_long() const { return too_long_; }

 private:
  // Reads more behind what is left; false at the end.
  bool Fill();

  ByteSource* source_;
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool at_end_ = false;
  bool skipping_ = false;
  absl::Status failure_;
  int64_t line_ = 0;
  int64_t too_long_ = 0;
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RECORDING_LINE_READER_H_
