#ifndef DMFRAG_WORKER_MODEL_FRAME_LIST_H_
#define DMFRAG_WORKER_MODEL_FRAME_LIST_H_

#include <cstdint>

#include "worker/model/frame_table.h"

namespace dmfrag::model {

// A doubly linked list of blocks, threaded through their first frames' records, in the kernel's list order. It keeps no
// pointer to the table; every call is given the same one. Thread-compatible; constant time.
class FrameList {
 public:
  bool empty() const { return head_ == kNoFrameIndex; }
  uint64_t size() const { return size_; }
  FrameIndex head() const { return head_; }
  FrameIndex tail() const { return tail_; }

  void PushHead(FrameTable& table, FrameIndex index) {
    FrameRecord& record = table.record(index);
    record.prev = kNoFrameIndex;
    record.next = head_;
    (head_ == kNoFrameIndex ? tail_ : table.record(head_).prev) = index;
    head_ = index;
    ++size_;
  }

  void PushTail(FrameTable& table, FrameIndex index) {
    FrameRecord& record = table.record(index);
    record.next = kNoFrameIndex;
    record.prev = tail_;
    (tail_ == kNoFrameIndex ? head_ : table.record(tail_).next) = index;
    tail_ = index;
    ++size_;
  }

  // REQUIRES: `index` is on this list.
  void Remove(FrameTable& table, FrameIndex index) {
    const FrameRecord& record = table.record(index);
    (record.prev == kNoFrameIndex ? head_ : table.record(record.prev).next) = record.next;
    (record.next == kNoFrameIndex ? tail_ : table.record(record.next).prev) = record.prev;
    --size_;
  }

 private:
  FrameIndex head_ = kNoFrameIndex;
  FrameIndex tail_ = kNoFrameIndex;
  uint64_t size_ = 0;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_FRAME_LIST_H_
