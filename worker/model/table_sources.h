#ifndef DMFRAG_WORKER_MODEL_TABLE_SOURCES_H_
#define DMFRAG_WORKER_MODEL_TABLE_SOURCES_H_

#include <memory>
#include <optional>
#include <vector>

#include "worker/model/memory_map.h"
#include "worker/model/page_allocator.h"
#include "worker/model/table_page_source.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// Where the page tables of splits come from.
enum class TableSourceKind {
  kBuddy,        // alloc_pages(GFP_KERNEL, 0): mainline, split_large_page
  kBootReserve,  // enough for every split there can be, taken at boot: PKS series v2, patch 17/19 (August 2021)
  kGrouped,      // whole 2M blocks of page tables alone: the remedy "group the page tables" of the seed letter
};

// A source of that kind. Borrows `allocator`, which must outlive it; a reserve is taken from it at once, for all of
// `memory`. When a reserve or a block of 512 cannot be had, single pages are taken, as the PKS series does.
std::unique_ptr<TablePageSource> MakeTableSource(TableSourceKind kind, const MemoryMap& memory,
                                                 PageAllocator* allocator);
// The same, with pages that such a source had before the allocator was restored (TablePageSource::FreeTables), instead
// of any that would be taken now.
std::unique_ptr<TablePageSource> RestoreTableSource(TableSourceKind kind, std::vector<FrameNumber> free_tables,
                                                    PageAllocator* allocator);

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_TABLE_SOURCES_H_
