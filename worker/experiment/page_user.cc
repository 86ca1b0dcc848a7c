#include "worker/experiment/page_user.h"

#include "third_party/abseil_extras/check.h"

namespace dmfrag::experiment {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::Machine;
using model::Order;
using policy::CacheType;
using workload::Operation;
using workload::Protection;

constexpr FrameCount kOnePage(1);

// mm/secretmem.c secretmem_fault: the page leaves the direct map, which may split, and is flushed by itself; without
// memory for a split the page is given back and the fault fails.
std::optional<FrameNumber> SecretmemFault(const Operation& operation, Machine& machine, CacheType& cache) {
  const std::optional<FrameNumber> page = cache.Allocate({.type = operation.type});
  if (!page.has_value()) return std::nullopt;
  if (machine.SetDirectMapInvalidNoflush(*page, kOnePage) != model::CpaOutcome::kDone) {
    cache.Free(*page);
    return std::nullopt;
  }
  machine.FlushTlbKernelRange(kOnePage);
  return page;
}

// secretmem_free_folio: back into the direct map without a flush, zeroed, freed.
void SecretmemFree(FrameNumber page, Machine& machine, CacheType& cache) {
  const model::CpaOutcome outcome = machine.SetDirectMapDefaultNoflush(page, kOnePage);
  CHECK(outcome == model::CpaOutcome::kDone);  // its entry is 4K since the fault: nothing is left to split
  cache.Free(page);
}

void OrdinaryFree(FrameNumber block, Order order, Machine& machine, CacheType& cache) {
  if (order == Order(0) && cache.diverts_frees() && cache.DivertFree(block)) return;
  machine.allocator().Free(block, order);
}

}  // namespace

std::optional<FrameNumber> AllocateFor(const Operation& operation, Machine& machine, CacheType& cache) {
  switch (operation.protection) {
    case Protection::kNone:
      return machine.allocator().Allocate(operation.order, operation.type);
    case Protection::kSecretmem:
      return SecretmemFault(operation, machine, cache);
  }
  return std::nullopt;
}

void FreeFor(const Operation& operation, FrameNumber block, Machine& machine, CacheType& cache) {
  switch (operation.protection) {
    case Protection::kNone:
      return OrdinaryFree(block, operation.order, machine, cache);
    case Protection::kSecretmem:
      return SecretmemFree(block, machine, cache);
  }
}

}  // namespace dmfrag::experiment
