#ifndef DMFRAG_WORKER_WORKLOAD_MERGED_OPERATIONS_H_
#define DMFRAG_WORKER_WORKLOAD_MERGED_OPERATIONS_H_

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "worker/workload/operation.h"

namespace dmfrag::workload {

// The operations of several sources by time; at the same time the source that stands first goes first.
class MergedOperations final : public OperationSource {
 public:
  // Borrows the sources.
  explicit MergedOperations(const std::vector<OperationSource*>& sources) {
    for (OperationSource* source : sources) inputs_.push_back({source, source->Next()});
  }

  std::optional<Operation> Next() override {
    Input* first = nullptr;
    for (Input& input : inputs_) {
      if (input.next.has_value() && (first == nullptr || input.next->time < first->next->time)) first = &input;
    }
    if (first == nullptr) return std::nullopt;
    return std::exchange(first->next, first->source->Next());
  }

 private:
  struct Input {
    OperationSource* source;
    std::optional<Operation> next;
  };
  std::vector<Input> inputs_;
};

// Operations that are known beforehand. REQUIRES: they are in order of time.
class ListedOperations final : public OperationSource {
 public:
  explicit ListedOperations(std::vector<Operation> operations) : operations_(std::move(operations)) {}

  std::optional<Operation> Next() override {
    return next_ < operations_.size() ? std::optional(operations_[next_++]) : std::nullopt;
  }

 private:
  std::vector<Operation> operations_;
  size_t next_ = 0;
};

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_MERGED_OPERATIONS_H_
