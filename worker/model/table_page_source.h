#ifndef DMFRAG_WORKER_MODEL_TABLE_PAGE_SOURCE_H_
#define DMFRAG_WORKER_MODEL_TABLE_PAGE_SOURCE_H_

#include <optional>
#include <vector>

#include "worker/model/entry_flags.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// Where the page tables of splits come from: the page allocator in a run, recorded frames in a replay, a reserve.
class TablePageSource {
 public:
  virtual ~TablePageSource() = default;

  // A frame for the page table that replaces the `level` entry whose first frame is `first`; nullopt: out of memory,
  // and the split does not happen. Called once per split, in order. To find memory, others may be asked to give
  // up pages, and change attributes for it, by the same AttributeChanger: of entries that are there, other than this
  // one.
  virtual std::optional<FrameNumber> TakeTable(MapLevel level, FrameNumber first) = 0;

  // A collapse no longer needs the page table at `table`.
  virtual void ReturnTable(FrameNumber table) = 0;

  // Pages that it keeps for itself; the last one is taken first.
  virtual std::vector<FrameNumber> FreeTables() const { return {}; }
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_TABLE_PAGE_SOURCE_H_
