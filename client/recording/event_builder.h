#ifndef DMFRAG_CLIENT_RECORDING_EVENT_BUILDER_H_
#define DMFRAG_CLIENT_RECORDING_EVENT_BUILDER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "client/recording/raw_event.h"
#include "proto/recording/event.h"
#include "proto/recording/writer.h"

namespace dmfrag::client {

// What an import did beside writing events.
struct ImportCounts {
  std::map<std::string, int64_t> skipped;  // by reason
  std::vector<std::string> limitations;
  int64_t lost = 0;  // known ones
  bool lost_unknown = false;
};

// Turns the events of a recorder into those of a recording file: frames from addresses, origins from names and stacks.
// Memory: the writer's, a table of 4,096 origins, and kMaxHeld events. Thread-compatible.
class EventBuilder {
 public:
  // Events held back until the direct map's address is known.
  static constexpr size_t kMaxHeld = size_t{1} << 16;
  // Events that wait for their call stack, which may stand behind events of other CPUs.
  static constexpr size_t kMaxWaiting = 32;
  static constexpr size_t kMaxStack = 64;
  // A clock that goes back by more belongs to another boot, or to text that nobody sorted.
  static constexpr uint64_t kMaxClockStep_us = 10'000'000;

  // Borrows `writer`. `with_stacks`: events wait for their call stack. `direct_map_address`: of its first byte.
  EventBuilder(recording::Writer* writer, bool with_stacks, std::optional<uint64_t> direct_map_address);

  // Any event, also one that is none of ours. Errors: kInvalidArgument if the clock goes back, or a base address
  // changes: more than one boot; the writer's.
  absl::Status Add(const RawEvent& event);
  // A function of the call stack of the event that kStack named, or of the last of `Add`. Innermost first.
  void AddStackFunction(std::string_view function);
  // `count` events were lost here; 0: not known how many.
  absl::Status AddLost(uint64_t count, uint32_t cpu);

  // Counts something that was passed over.
  void Skip(const std::string& reason, int64_t count = 1) { counts_.skipped[reason] += count; }
  void Limit(std::string sentence) { counts_.limitations.push_back(std::move(sentence)); }

  // Writes what was held back. The builder must not be used afterwards.
  absl::Status Finish();
  const ImportCounts& counts() const { return counts_; }
  // Events by kind, as given to the writer.
  const std::array<int64_t, recording::Event::kKinds>& by_kind() const { return by_kind_; }

 private:
  struct Waiting {
    recording::Event event;
    std::string comm;
    std::string gfp_flags;
    uint32_t migratetype = 0;
    std::vector<std::string> stack;
    bool open = true;
    bool has_origin = false;
  };
  struct CachedOrigin {
    std::string key;
    uint32_t number = 0;
    bool used = false;
  };

  absl::Status CheckTime(const RawEvent& event);
  absl::Status CheckBase(std::optional<uint64_t>& known, uint64_t address, std::string_view name, int64_t place);
  absl::Status LearnDirectMap(uint64_t address, int64_t place);
  // Sets the event's fields. False: it is passed over, and counted.
  absl::StatusOr<bool> Make(const RawEvent& raw, recording::Event& event);
  bool MakePages(const RawEvent& raw, recording::Event& event);
  absl::StatusOr<bool> MakeChange(const RawEvent& raw, recording::Event& event);
  absl::StatusOr<bool> MakeCpa(const RawEvent& raw, recording::Event& event);
  absl::StatusOr<bool> MakeSplit(const RawEvent& raw, recording::Event& event);
  bool SkipBad(const RawEvent& raw, std::string_view what);
  uint32_t OriginNumber(std::string_view comm, std::string_view gfp_flags, uint32_t migratetype,
                        const std::vector<std::string>& stack);
  absl::Status EndWaiting();
  // To the writer, or to those held back.
  absl::Status Emit(const recording::Event& event);
  absl::Status Release();
  absl::Status Write(recording::Event event);
  // The frame of a direct-map address; nullopt if it is none.
  std::optional<uint64_t> FrameOf(uint64_t address) const;

  recording::Writer* writer_;
  const bool with_stacks_;
  std::deque<Waiting> waiting_;
  Waiting* stack_of_ = nullptr;
  std::vector<CachedOrigin> cache_;
  std::optional<uint64_t> direct_map_;   // address of its first byte
  std::optional<uint64_t> frame_table_;  // of page structures
  bool guessing_ = false;                // the direct map's address was never told
  std::vector<recording::Event> held_;   // kChangeAttributes: `frame` is still the address
  bool holding_ = false;
  uint64_t last_change_frame_ = 0;  // of the set_direct_map call before
  std::string last_change_comm_;
  bool has_last_change_ = false;
  uint64_t max_frame_ = 0;
  uint64_t last_time_us_ = 0;
  ImportCounts counts_;
  std::array<int64_t, recording::Event::kKinds> by_kind_ = {};
  std::string key_;
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RECORDING_EVENT_BUILDER_H_
