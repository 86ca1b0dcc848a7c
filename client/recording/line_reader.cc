#include "client/recording/line_reader.h"

#include <cstring>
#include <span>
#include <utility>

namespace dmfrag::client {

bool LineReader::Fill() {
  if (at_end_) return false;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  absl::StatusOr<size_t> count = source_->Read(std::span(buffer_).subspan(end_));
  at_end_ = !count.ok() || *count == 0;
  if (!count.ok()) failure_ = std::move(count).status();
  if (!at_end_) end_ += *count;
  return !at_end_;
}

std::string_view LineReader::Peek() {
  while (end_ < buffer_.size() && Fill()) {
  }
  return {buffer_.data(), end_};
}

absl::StatusOr<std::optional<std::string_view>> LineReader::Next() {
  size_t searched = 0;
  while (true) {
    const char* const start = buffer_.data() + begin_;
    const size_t size = end_ - begin_;
    const void* const found = std::memchr(start + searched, '\n', size - searched);
    if (found == nullptr && size > kMaxLine) {
      skipping_ = true;
      begin_ = end_;
    }
    if (found == nullptr) {
      searched = end_ - begin_;
      if (Fill()) continue;
      if (!failure_.ok()) return failure_;
      if (searched == 0 && !skipping_) return std::nullopt;
    }
    const size_t length =
        found == nullptr ? end_ - begin_ : static_cast<size_t>(static_cast<const char*>(found) - start);
    std::string_view line(buffer_.data() + begin_, length);
    begin_ += length + (found == nullptr ? 0 : 1);
    ++line_;
    if (std::exchange(skipping_, false) || length > kMaxLine) {
      ++too_long_;
      searched = 0;
      continue;
    }
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }
}

}  // namespace dmfrag::client
