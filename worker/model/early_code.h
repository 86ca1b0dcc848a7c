#ifndef DMFRAG_WORKER_MODEL_EARLY_CODE_H_
#define DMFRAG_WORKER_MODEL_EARLY_CODE_H_

#include <string>
#include <vector>

#include "worker/model/attribute_request.h"
#include "worker/model/boot_machine.h"

namespace dmfrag::model {

// What is asked of the direct map during boot for memory that the kernel allocates for code, in order: the first pack
// of BPF programs (kernel/bpf/core.c bpf_prog_pack; on 7.3 one 2M page), and, if the command line asks for them, the
// page of the first kprobe and the pool of KFENCE.
//
// Which blocks these pages come from depends on what memblock and the page allocator did before, to the page. Without
// that history their place is an estimate, measured on the captures in tests/kernel:
//   - up to 6.12, a pack of 512 single pages per node comes from one 2M block near the beginning of the node's zone
//     Normal, or of the memory behind the kernel image if the node has none, and from the block under the node's page
//     structures, which lie at the top (64 bytes a page, by sections of 128M); from a third block near the first where
//     no memory lies above 4 GiB, the machine is smaller than 3 GiB and, on 6.1, has one processor;
//   - on 6.16 and 6.18 it comes from two blocks near the beginning;
//   - on 7.3 it is one whole block near the beginning.
// How many splits that makes was wrong for 12 of 175 captures, each named with its cause in tests/kernel/boot_test.cc.
std::vector<AttributeRequest> EarlyCodeRequests(const BootMachine& machine);

// What is not known of the number of entries these requests split on `machine`; empty if nothing.
std::string EarlyCodeLimitation(const BootMachine& machine);

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_EARLY_CODE_H_
