#ifndef DMFRAG_TESTS_ORACLE_PAGE_ALLOCATOR_PROGRAM_H_
#define DMFRAG_TESTS_ORACLE_PAGE_ALLOCATOR_PROGRAM_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dmfrag::tests {

// What programs met with, to show that they reach what they are for.
struct PageAllocatorEvents {
  int64_t allocations = 0;
  int64_t failures = 0;
  int64_t bulk_frames = 0;
  int64_t splits = 0;
  int64_t frees = 0;
  int64_t types_mixed = 0;   // pages given out of a pageblock of another type
  int64_t high_changed = 0;  // operations after which a per-CPU list's `high` was another
  int64_t blocks_retyped = 0;
};

// Any bytes are a program, so that random ones and a fuzzer's are: one byte for the kernel's release and the machine,
// one for its processors, then three to an operation, at most 1,000 of them; what is left over is dropped. Kept corpora
// depend on the format.
//
// Runs it on a PageAllocator and on its reference, which are compared whole after each operation: frames given out,
// free lists and per-CPU lists in order, pageblock types, watermarks and counts; and the model's own invariants after
// every `invariants_every`-th, since they look at each frame. Empty if they agree, else the operations so far as text
// and what differs. Adds what happened to `events`.
std::string RunPageAllocatorProgram(std::string_view bytes, PageAllocatorEvents& events, size_t invariants_every = 1);

// Numbers of releases and machines that the first byte chooses from: release + kAllocatorReleases * machine.
inline constexpr unsigned kAllocatorReleases = 4;
inline constexpr unsigned kAllocatorMachines = 8;

}  // namespace dmfrag::tests

#endif  // DMFRAG_TESTS_ORACLE_PAGE_ALLOCATOR_PROGRAM_H_
