#include "client/recording/raw_event_pipe.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <type_traits>

namespace dmfrag::client {
namespace {

constexpr size_t kFlushBytes = size_t{1} << 16;
constexpr size_t kMaxText = size_t{1} << 16;

// What goes before the texts of a message, as it lies in memory: both ends are this program.
struct Head {
  PipeMessage::Type type;
  RawKind kind;
  uint32_t cpu;
  uint64_t time_us;
  int64_t place;
  uint64_t lost;
  uint32_t present;
  std::array<uint32_t, 3> text_bytes;
  std::array<uint64_t, kRawFields> values;
};
static_assert(std::is_trivially_copyable_v<Head>);

}  // namespace

RawEventSender::RawEventSender(int fd, unsigned patience_s) : fd_(fd), patience_s_(patience_s) {
  if (patience_s_ > 0) alarm(patience_s_);
}

bool RawEventSender::Send(const PipeMessage& message) {
  const RawEvent& event = message.event;
  Head head = {};
  head.type = message.type;
  head.kind = event.kind;
  head.cpu = event.cpu;
  head.time_us = event.time_us;
  head.place = event.place;
  head.lost = message.lost;
  head.present = event.present;
  for (size_t field = 0; field < kRawFields; ++field) {
    if (event.Has(static_cast<RawField>(field))) head.values[field] = event.values[field];
  }
  const std::array<std::string_view, 3> texts = {event.comm.substr(0, kMaxText), event.gfp_flags.substr(0, kMaxText),
                                                 event.text.substr(0, kMaxText)};
  for (size_t i = 0; i < texts.size(); ++i) head.text_bytes[i] = static_cast<uint32_t>(texts[i].size());
  buffer_.append(reinterpret_cast<const char*>(&head), sizeof(head));
  for (const std::string_view text : texts) buffer_.append(text);
  return buffer_.size() < kFlushBytes || Flush();
}

bool RawEventSender::Flush() {
  for (std::string_view rest = buffer_; !rest.empty();) {
    const ssize_t count = write(fd_, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    rest.remove_prefix(static_cast<size_t>(count));
  }
  buffer_.clear();
  if (patience_s_ > 0) alarm(patience_s_);
  return true;
}

std::string_view RawEventReceiver::Take(size_t size) {
  while (buffer_.size() - taken_ < size) {
    std::array<char, kFlushBytes> more;
    const ssize_t count = read(fd_, more.data(), more.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return {};
    buffer_.append(more.data(), static_cast<size_t>(count));
  }
  taken_ += size;
  return std::string_view(buffer_).substr(taken_ - size, size);
}

std::optional<PipeMessage> RawEventReceiver::Next() {
  if (taken_ > kFlushBytes) {
    buffer_.erase(0, taken_);
    taken_ = 0;
  }
  const std::string_view bytes = Take(sizeof(Head));
  if (bytes.empty()) return std::nullopt;
  Head head;
  std::memcpy(&head, bytes.data(), sizeof(head));
  size_t all_texts = 0;
  for (const uint32_t size : head.text_bytes) {
    if (size > kMaxText) return std::nullopt;
    all_texts += size;
  }
  if (head.type > PipeMessage::Type::kBroken || head.kind > RawKind::kStack) return std::nullopt;
  std::string_view texts = Take(all_texts);
  if (texts.size() != all_texts) return std::nullopt;
  PipeMessage message = {.type = head.type, .lost = head.lost};
  message.event.kind = head.kind;
  message.event.cpu = head.cpu;
  message.event.time_us = head.time_us;
  message.event.place = head.place;
  message.event.present = head.present;
  message.event.values = head.values;
  std::string_view* const parts[] = {&message.event.comm, &message.event.gfp_flags, &message.event.text};
  for (size_t i = 0; i < head.text_bytes.size(); ++i) {
    *parts[i] = texts.substr(0, head.text_bytes[i]);
    texts.remove_prefix(head.text_bytes[i]);
  }
  return message;
}

}  // namespace dmfrag::client
