#include "client/environment/interrupt.h"

#include <utility>

namespace dmfrag::client {

Interrupt::Reaction::Reaction(Interrupt& interrupt, std::function<void()> react) : interrupt_(interrupt) {
  absl::MutexLock lock(&interrupt_.mutex_);
  if (interrupt_.requested_) react();
  interrupt_.reactions_.push_front(std::move(react));
  place_ = interrupt_.reactions_.begin();
}

Interrupt::Reaction::~Reaction() {
  absl::MutexLock lock(&interrupt_.mutex_);
  interrupt_.reactions_.erase(place_);
}

void Interrupt::Request() {
  absl::MutexLock lock(&mutex_);
  if (requested_) return;
  requested_ = true;
  for (const std::function<void()>& react : reactions_) react();
}

bool Interrupt::requested() const {
  absl::MutexLock lock(&mutex_);
  return requested_;
}

bool Interrupt::AwaitFor(absl::Duration timeout) const {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&requested_), timeout);
}

}  // namespace dmfrag::client
