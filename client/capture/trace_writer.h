#ifndef DMFRAG_CLIENT_CAPTURE_TRACE_WRITER_H_
#define DMFRAG_CLIENT_CAPTURE_TRACE_WRITER_H_

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "client/capture/kernel_symbols.h"
#include "client/capture/trace_record.h"
#include "dmfrag/v1/recording.pb.h"
#include "proto/recording/event.h"
#include "proto/recording/writer.h"

namespace dmfrag::client {

// Gives trace records, in order of time, to a recording: finds each one's origin. Thread-compatible.
class TraceWriter {
 public:
  struct Options {
    // Names of tasks are not kept.
    bool privacy = false;
    // Prints GFP flags.
    std::function<std::string(uint64_t gfp)> gfp_text;
    // Names the functions of stacks. Borrowed.
    const KernelSymbols* symbols = nullptr;
  };

  // Borrows `writer`.
  TraceWriter(recording::Writer* writer, Options options) : writer_(writer), options_(std::move(options)) {}

  // A task is called `name` from now on.
  void NameTask(int32_t pid, std::string_view name);

  // Errors: the writer's.
  absl::Status Add(const TraceRecord& record);

  // Events by kind, as given to the recording.
  const std::array<int64_t, recording::Event::kKinds>& by_kind() const { return by_kind_; }
  // 4K pages allocated, less those freed, as far as events say: bulk allocations too, where they are recorded.
  int64_t net_pages() const { return net_pages_; }
  // Events the kernel said it dropped; of `some_unknown` it said no number.
  int64_t lost() const { return lost_; }
  bool some_unknown() const { return some_unknown_; }
  // Adds to end.skipped what was passed over.
  void CountSkipped(v1::RecordingEnd& end) const;

 private:
  uint32_t Origin(const TraceRecord& record);

  recording::Writer* writer_;
  Options options_;
  absl::flat_hash_map<int32_t, uint32_t> task_names_;  // numbers in names_
  std::vector<std::string> names_ = {""};
  absl::flat_hash_map<std::string, uint32_t> name_numbers_ = {{"", 0}};
  std::vector<std::vector<uint64_t>> stacks_ = {{}};
  absl::flat_hash_map<std::vector<uint64_t>, uint32_t> stack_numbers_ = {{{}, 0}};
  // By name, GFP flags (~0: a free), migratetype and stack: what comes a million times is looked up once.
  absl::flat_hash_map<std::tuple<uint32_t, uint64_t, uint32_t, uint32_t>, uint32_t> origins_;
  std::array<int64_t, recording::Event::kKinds> by_kind_ = {};
  int64_t net_pages_ = 0;
  int64_t lost_ = 0;
  bool some_unknown_ = false;
  int64_t array_changes_ = 0;
  int64_t other_mappings_ = 0;
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CAPTURE_TRACE_WRITER_H_
