#ifndef DMFRAG_WORKER_SLOT_SLOT_CHILD_H_
#define DMFRAG_WORKER_SLOT_SLOT_CHILD_H_

#include <cstdint>
#include <string>

namespace dmfrag::worker {

// The life of a slot's child process: reads length-delimited JobSpecs from standard input, runs each, writes a
// length-delimited AttemptReport (its `ref` unset) to standard output, until input ends. Whatever a job does to this
// process (crash, memory), the worker and its other slots live on. Returns the exit code.
//
// `captures`: folder whose files are captures named by their SHA-256. Aged states are kept in its folder `aged`, at most
// `max_aged_bytes` of them.
int RunSlotChild(const std::string& captures, uint64_t max_aged_bytes);

}  // namespace dmfrag::worker

#endif  // DMFRAG_WORKER_SLOT_SLOT_CHILD_H_
