#include "worker/experiment/module_objects.h"

#include <utility>

#include "worker/experiment/call_runner.h"
#include "worker/workload/calls/vmalloc_calls.h"
#include "worker/workload/rox_cache.h"

namespace dmfrag::experiment {

using model::FrameCount;
using model::FrameNumber;
using workload::ModuleArea;
using workload::ModuleLayout;
using workload::ModuleMemory;
using workload::ModuleSizes;
using workload::Operation;

namespace {

constexpr model::Order kSingle(0);

uint64_t PagesOf(const ModuleArea& area, const ModuleSizes& sizes) {
  uint64_t pages = 0;
  for (const ModuleMemory kind : area) pages += sizes[static_cast<size_t>(kind)];
  return pages;
}

}  // namespace

ModuleObjects::ModuleObjects(PageSupply* supply, PackPools* packs)
    : supply_(supply), pool_(&packs->Of(&workload::kRoxCache)) {}

bool ModuleObjects::IsCached(const ModuleArea& area) const { return workload::IsInRoxCache(area.front(), release()); }

uint64_t ModuleObjects::OwnPages(std::span<const ModuleArea> areas, const ModuleSizes& sizes) const {
  uint64_t pages = 0;
  for (const ModuleArea& area : areas) pages += IsCached(area) ? 0 : PagesOf(area, sizes);
  return pages;
}

uint64_t ModuleObjects::AllocationsOf(const Operation& operation) const {
  return OwnPages(workload::ModuleCoreAreas(release()), workload::ModuleSizesOf(operation.allocations));
}

std::optional<FrameNumber> ModuleObjects::Allocate(const Operation& operation) {
  const auto page = supply_->Try([&] { return supply_->Get(kSingle, operation.type); });
  return page.has_value() ? std::optional(page->page) : std::nullopt;
}

bool ModuleObjects::Protect(const Operation& operation, const std::vector<FrameNumber>& pages) {
  const ModuleSizes sizes = workload::ModuleSizesOf(operation.allocations);
  Memory core;
  ModuleLayout layout;
  if (Load(sizes, pages, core, layout)) {
    loaded_.emplace(operation.object, std::move(core));
    return true;
  }
  FreeMemory(core, pages, /*came_to_be=*/false);
  return false;
}

bool ModuleObjects::Load(const ModuleSizes& sizes, Frames pages, Memory& core, ModuleLayout& layout) {
  if (!Allocate(workload::ModuleCoreAreas(release()), sizes, pages, core, layout)) return false;
  const std::span<const ModuleArea> init_areas = workload::ModuleInitAreas(release());
  std::vector<FrameNumber> init_pages;
  const Operation init_operation;
  bool done = true;
  for (uint64_t left = OwnPages(init_areas, sizes); done && left > 0; --left) {
    const std::optional<FrameNumber> page = Allocate(init_operation);
    done = page.has_value();
    if (done) init_pages.push_back(*page);
  }
  Memory init;
  done = done && Allocate(init_areas, sizes, init_pages, init, layout) &&
         Do(workload::ModuleProtect(layout, release())) && Do(workload::ModuleProtectAfterInit(layout, release()));
  FreeMemory(init, init_pages, done);
  for (const FrameNumber page : init_pages) supply_->Give(page, kSingle);
  return done;
}

bool ModuleObjects::Allocate(std::span<const ModuleArea> areas, const ModuleSizes& sizes, Frames frames, Memory& memory,
                             ModuleLayout& layout) {
  size_t first = 0;
  for (const ModuleArea& area : areas) {
    const uint64_t pages = PagesOf(area, sizes);
    if (pages == 0) continue;
    if (IsCached(area)) {
      if (!TakeText(pages, memory, layout[area.front()])) return false;
      continue;
    }
    MapArea(area, sizes, frames.subspan(first, pages), first, memory, layout);
    first += pages;
    ModuleLayout alone;
    for (const ModuleMemory kind : area) alone[kind] = layout[kind];
    if (!Do(workload::ModuleAllocate(alone, release()))) return false;
  }
  return true;
}

// The pool makes it writable, as ModuleAllocate says.
bool ModuleObjects::TakeText(uint64_t pages, Memory& memory, model::VirtualRange& range) {
  memory.text = pool_->Take(this, pages * model::kFrameBytes);
  if (memory.text.has_value()) range = pool_->RangeOf(*memory.text);
  return memory.text.has_value();
}

void ModuleObjects::MapArea(const ModuleArea& area, const ModuleSizes& sizes, Frames frames, size_t first,
                            Memory& memory, ModuleLayout& layout) {
  const model::VirtualRange range = supply_->machine().Vmap(frames);
  memory.areas.push_back({.holds_data = area.front() == ModuleMemory::kData, .first = first, .range = range});
  model::VirtualPage page = range.first;
  for (const ModuleMemory kind : area) {
    const model::VirtualPage end = page + FrameCount(sizes[static_cast<size_t>(kind)]);
    layout[kind] = {page, end};
    page = end;
  }
}

void ModuleObjects::Unprotect(const Operation& operation, const std::vector<FrameNumber>& pages) {
  const auto found = loaded_.find(operation.object);
  if (found == loaded_.end()) return;
  FreeMemory(found->second, pages, /*came_to_be=*/true);
  loaded_.erase(found);
}

void ModuleObjects::FreeMemory(Memory& memory, Frames frames, bool came_to_be) {
  if (memory.text.has_value()) came_to_be ? pool_->Return(*memory.text) : pool_->GiveUp(*memory.text);
  for (const bool data : {false, true}) {
    for (const Area& area : memory.areas) {
      if (area.holds_data == data) FreeArea(area, frames);
    }
  }
}

void ModuleObjects::FreeArea(const Area& area, Frames frames) {
  const Frames own = frames.subspan(area.first, area.range.count().raw());
  PerformAll(supply_->CallsToReset(workload::VfreeWithPermissionReset(own, release()), kSingle, own,
                                   /*is_mapped_elsewhere=*/true),
             supply_->machine());
  supply_->machine().Vunmap(area.range);
}

bool ModuleObjects::Do(const workload::UserCalls& calls) {
  const workload::UserCalls left = supply_->CallsOnAreas(calls);
  return supply_->Try([&] { return Perform(left, supply_->machine()); }) == model::CpaOutcome::kDone;
}

}  // namespace dmfrag::experiment
