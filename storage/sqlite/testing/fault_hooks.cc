#include "storage/sqlite/testing/fault_hooks.h"

namespace dmfrag::storage::sqlite {

void FaultHooks::Plan(const Fault& fault) {
  std::lock_guard<std::mutex> lock(mutex_);
  fault_ = fault;
  seen_ = 0;
  active_ = true;
  fired_ = false;
}

void FaultHooks::Clear() {
  std::lock_guard<std::mutex> lock(mutex_);
  active_ = false;
}

bool FaultHooks::fired() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return fired_;
}

FileCallHooks::Verdict FaultHooks::Before(const FileCall& call) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!active_ || call.operation != fault_.operation) return {};
  ++seen_;
  const bool fails = seen_ == fault_.number || (fault_.lasting && seen_ > fault_.number);
  if (!fails) return {};
  fired_ = true;
  return {fault_.code, fault_.half_done};
}

}  // namespace dmfrag::storage::sqlite
