#ifndef DMFRAG_CLIENT_RECORDING_RAW_EVENT_PIPE_H_
#define DMFRAG_CLIENT_RECORDING_RAW_EVENT_PIPE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "client/recording/raw_event.h"

namespace dmfrag::client {

// One thing that a reader in another process says.
struct PipeMessage {
  enum class Type : uint8_t {
    kEvent,
    kFunction,  // of the call stack of the event before: event.text
    kLost,      // `lost` events, on event.cpu
    kEnd,       // nothing follows, all was read
    kBroken,    // nothing follows, the rest cannot be read
  };
  Type type = Type::kEvent;
  RawEvent event = {};
  uint64_t lost = 0;
};

// Sends messages to a pipe, many at a time. Thread-compatible.
class RawEventSender {
 public:
  // Borrows `fd`. If `patience_s` is not 0, SIGALRM comes when nothing was sent for so many seconds.
  explicit RawEventSender(int fd, unsigned patience_s = 0);

  // False: nobody reads any more. Texts are cut to 64 KiB.
  bool Send(const PipeMessage& message);
  // False likewise; called once in a while by Send.
  bool Flush();

 private:
  int fd_;
  unsigned patience_s_;
  std::string buffer_;
};

// Takes what a RawEventSender of this program's sent, which may have gone astray: nothing of it is trusted.
// Thread-compatible.
class RawEventReceiver {
 public:
  // Borrows `fd`.
  explicit RawEventReceiver(int fd) : fd_(fd) {}

  // The next message, whose texts are valid until the next call; nullopt if the sender went away or sends nonsense.
  std::optional<PipeMessage> Next();

 private:
  // The next `size` bytes; empty if there are not so many.
  std::string_view Take(size_t size);

  int fd_;
  std::string buffer_;
  size_t taken_ = 0;
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RECORDING_RAW_EVENT_PIPE_H_
