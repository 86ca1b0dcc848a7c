#ifndef DMFRAG_WORKER_WORKLOAD_CALLS_ALIAS_CALLS_H_
#define DMFRAG_WORKER_WORKLOAD_CALLS_ALIAS_CALLS_H_

#include <span>
#include <vector>

#include "worker/model/kernel_release.h"
#include "worker/model/units.h"
#include "worker/workload/calls/set_memory.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::workload {

// The direct-map calls that follow from one request on vmalloc or module addresses, by the kernel's rule alone: what
// model::AttributeChanger does on a VirtualMap must come to the same. Source: arch/x86/mm/pat/set_memory.c
// cpa_process_alias; equal to all requests of the raw traces of 6.1, 6.12 and 7.3 (README.md, testdata).
//
// Whether the alias is asked at all: on 6.1 not for a request that changes NX alone, later for every one, since NX is
// dropped from the masks and nothing may be left to change (commit d597416683d5, in 6.2).
bool AsksAlias(const AttributeChange& change, model::KernelRelease release);

// What it is asked: NX is never changed in the direct map; no collapse either, which is the business of the addresses
// that were named.
AttributeChange AliasOf(const AttributeChange& change);

// Pages mapped by 4K entries: one call for each, in the order of addresses.
std::vector<DirectMapCall> AliasCallsOf4K(const AttributeChange& change, std::span<const model::FrameNumber> frames,
                                          model::KernelRelease release);

// A whole 2M entry that CPA keeps: one call for its 512 frames. REQUIRES: `first` is 2M aligned.
std::vector<DirectMapCall> AliasCallsOf2M(const AttributeChange& change, model::FrameNumber first,
                                          model::KernelRelease release);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CALLS_ALIAS_CALLS_H_
