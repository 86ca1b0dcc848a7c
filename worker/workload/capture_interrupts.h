#ifndef DMFRAG_WORKER_WORKLOAD_CAPTURE_INTERRUPTS_H_
#define DMFRAG_WORKER_WORKLOAD_CAPTURE_INTERRUPTS_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "worker/workload/replay_input.h"

// The parts of a capture that say how many processors there were and what was counted on them. All are optional. The
// errors are kInvalidArgument, and nlohmann's exceptions where a value is of another type than the format says.
namespace dmfrag::workload {

// Processors of the machine (config.smp), 1 if the capture does not say. Error: not in 1..4096.
absl::StatusOr<uint32_t> ParseCpus(const nlohmann::json& capture);

// Whether kprobes counted calls of flush_tlb_all and flush_tlb_kernel_range (kprobe_events).
bool CountsFlushCalls(const nlohmann::json& capture);

// What was counted over one step (ipi), if anything was. Calls are listed only where some were made: `flushes_counted`
// tells none from not counted. Error: a count is not in 0..2^40.
absl::StatusOr<std::optional<MeasuredInterrupts>> ParseInterrupts(const nlohmann::json& step, bool flushes_counted);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CAPTURE_INTERRUPTS_H_
