#include "worker/model/table_sources.h"

#include <algorithm>
#include <utility>

namespace dmfrag::model {
namespace {

class BuddyTables : public TablePageSource {
 public:
  explicit BuddyTables(PageAllocator* allocator) : allocator_(allocator) {}
  std::optional<FrameNumber> TakeTable(MapLevel, FrameNumber) override {
    return allocator_->Allocate(Order(0), Migratetype::kUnmovable);
  }
  void ReturnTable(FrameNumber table) override { allocator_->Free(table, Order(0)); }

 private:
  PageAllocator* allocator_;
};

// Pages of blocks that hold nothing but page tables, last freed first out.
class GroupedTables : public TablePageSource {
 public:
  explicit GroupedTables(PageAllocator* allocator, std::vector<FrameNumber> free = {})
      : allocator_(allocator), free_(std::move(free)) {}

  std::optional<FrameNumber> TakeTable(MapLevel, FrameNumber) override {
    if (free_.empty() && !AddBlock()) return allocator_->Allocate(Order(0), Migratetype::kUnmovable);
    const FrameNumber table = free_.back();
    free_.pop_back();
    return table;
  }
  void ReturnTable(FrameNumber table) override { free_.push_back(table); }
  std::vector<FrameNumber> FreeTables() const override { return free_; }

  // Takes one block from the page allocator; false: there is none.
  bool AddBlock() {
    const std::optional<FrameNumber> block = allocator_->Allocate(kPageblockOrder, Migratetype::kUnmovable);
    if (!block.has_value()) return false;
    allocator_->SplitAllocated(*block, kPageblockOrder);
    // The lowest is the first one out.
    for (uint64_t i = kFramesPer2M.raw(); i-- > 0;) free_.push_back(*block + FrameCount(i));
    return true;
  }
  size_t free_tables() const { return free_.size(); }

 private:
  PageAllocator* allocator_;
  std::vector<FrameNumber> free_;
};

// Page tables that map all of `memory` by 4K entries: one per 2M and one per 1G that a range touches.
uint64_t TablesForEverySplit(const MemoryMap& memory) {
  uint64_t tables = 0;
  for (const FrameRange& range : memory.ranges()) {
    for (const FrameCount size : {kFramesPer2M, kFramesPer1G}) {
      tables += (range.end.AlignedUp(size) - range.first.AlignedDown(size)).raw() / size.raw();
    }
  }
  return tables;
}

}  // namespace

std::unique_ptr<TablePageSource> MakeTableSource(TableSourceKind kind, const MemoryMap& memory,
                                                 PageAllocator* allocator) {
  if (kind == TableSourceKind::kBuddy) return std::make_unique<BuddyTables>(allocator);
  auto tables = std::make_unique<GroupedTables>(allocator);
  if (kind == TableSourceKind::kBootReserve) {
    const uint64_t wanted = TablesForEverySplit(memory);
    while (tables->free_tables() < wanted && tables->AddBlock()) {
    }
  }
  return tables;
}

std::unique_ptr<TablePageSource> RestoreTableSource(TableSourceKind kind, std::vector<FrameNumber> free_tables,
                                                    PageAllocator* allocator) {
  if (kind == TableSourceKind::kBuddy) return std::make_unique<BuddyTables>(allocator);
  return std::make_unique<GroupedTables>(allocator, std::move(free_tables));
}

}  // namespace dmfrag::model
