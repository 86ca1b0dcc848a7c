#ifndef DMFRAG_WORKER_MODEL_ENTRY_TABLE_H_
#define DMFRAG_WORKER_MODEL_ENTRY_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace dmfrag::model {

// The 512 entries of a page table, which knows at any time whether all of them are alike: it counts the places where an
// entry differs from the one before it, and a write moves that count by its two neighbours alone. Exact under any
// sequence of writes, at two bytes a table. (A count of entries equal to a favourite is not: when the last of those is
// overwritten, only a rescan tells what the others are.)
//
// `Entry` is a small value with ==. Thread-compatible. Constant time unless it says otherwise.
template <typename Entry>
class EntryTable {
 public:
  static constexpr size_t kEntries = 512;

  // REQUIRES: index < kEntries, here and below.
  const Entry& operator[](size_t index) const { return entries_[index]; }

  void Set(size_t index, const Entry& value) {
    const bool has_next = index + 1 < kEntries;
    if (index > 0) boundaries_ -= Differ(index - 1, index);
    if (has_next) boundaries_ -= Differ(index, index + 1);
    entries_[index] = value;
    if (index > 0) boundaries_ += Differ(index - 1, index);
    if (has_next) boundaries_ += Differ(index, index + 1);
  }

  // Makes every entry `value`. 512 steps.
  void Fill(const Entry& value) {
    entries_.fill(value);
    boundaries_ = 0;
  }

  // All entries are equal.
  bool AllAlike() const { return boundaries_ == 0; }

  // Compares what is counted with a rescan. 512 steps.
  bool CheckInvariants() const {
    uint16_t found = 0;
    for (size_t i = 0; i + 1 < kEntries; ++i) found += Differ(i, i + 1);
    return found == boundaries_;
  }

 private:
  uint16_t Differ(size_t a, size_t b) const { return entries_[a] == entries_[b] ? 0 : 1; }

  std::array<Entry, kEntries> entries_ = {};
  uint16_t boundaries_ = 0;  // pairs of neighbours that differ, at most 511
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_ENTRY_TABLE_H_
