#ifndef DMFRAG_WORKER_WORKLOAD_FTRACE_TEXT_H_
#define DMFRAG_WORKER_WORKLOAD_FTRACE_TEXT_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "worker/model/migratetype.h"
#include "worker/model/units.h"

namespace dmfrag::workload {

// One event of a kernel trace that a page allocator's replay needs.
struct TraceEvent {
  enum class Kind {
    kAllocate,      // mm_page_alloc that found memory: frame, order, type
    kFree,          // mm_page_free: frame, order
    kBulkAllocate,  // bulk_ret, the return of alloc_pages_bulk: number of pages, logged nowhere else
    kCompactTake,   // compact_take: compaction took this free frame as a target
    kCompactBack,   // compact_back: and gave it back
    kPerCpuDrain,   // mm_page_pcpu_drain: frame, order
    kStepBegin,     // mark of the recorder: number of the step, text = its action
    kStepEnd,       // the same
    kFreeListDump,  // mark of the recorder: number of the dump of free lists
  };
  Kind kind = Kind::kAllocate;
  uint64_t line = 0;  // in the text, from 1 on
  uint32_t cpu = 0;
  uint64_t time_us = 0;   // of the trace's clock
  std::string_view task;  // "comm-pid"; points into the trace
  model::FrameNumber frame;
  model::Order order;
  model::Migratetype type = model::Migratetype::kUnmovable;
  uint64_t number = 0;
  std::string_view text;  // the same
};

// Reads the text of /sys/kernel/tracing/trace event by event, without copies. Frame numbers may be decimal or
// hexadecimal. Events of other kinds and comments are passed over; so are allocations that failed. Thread-compatible.
class FtraceReader {
 public:
  // Borrows `text`, which must outlive the reader and the events' texts.
  explicit FtraceReader(std::string_view text) : rest_(text) {}

  // The next event; nullopt at the end. After an error the reader must not be used.
  // Errors: kInvalidArgument if a line of a known event lacks a field or holds nonsense, or if the header says that the
  // kernel's buffer lost events; the text names the line.
  absl::StatusOr<std::optional<TraceEvent>> Next();

 private:
  std::string_view rest_;
  uint64_t line_ = 0;
};

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_FTRACE_TEXT_H_
