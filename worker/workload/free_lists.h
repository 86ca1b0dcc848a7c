#ifndef DMFRAG_WORKER_WORKLOAD_FREE_LISTS_H_
#define DMFRAG_WORKER_WORKLOAD_FREE_LISTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/model/allocator_snapshot.h"

namespace dmfrag::workload {

// Reads a dump of a kernel's free lists, one line an element, words separated by blanks:
//   Z <zone> <first frame> <frames spanned> <frames present> <frames free> <min> <low> <high>   a zone; watermarks
//   F <zone> <order> <migratetype> <frame>...   a free list, head first
//   C <zone> <cpu> <frames> <high> <batch>      a processor's lists
//   P <zone> <cpu> <index> <frame>...           one of them, head first; index = migratetype + 3 * order
//   B <zone> <first frame> <blocks> <type>      pageblocks of one migratetype
// A zone's line stands before its others; F, P and B lines of what is empty are left out. The format does not say what
// a zone manages: here it is what it spans and has present, less what lies below 1 MiB.
//
// Errors: kInvalidArgument for anything else, or types other than unmovable, movable and reclaimable; the text names
// the line. Thread-safe.
absl::StatusOr<model::AllocatorSnapshot> ParseFreeLists(const std::vector<std::string>& lines);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_FREE_LISTS_H_
