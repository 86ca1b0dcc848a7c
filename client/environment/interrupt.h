#ifndef DMFRAG_CLIENT_ENVIRONMENT_INTERRUPT_H_
#define DMFRAG_CLIENT_ENVIRONMENT_INTERRUPT_H_

#include <functional>
#include <list>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace dmfrag::client {

// The user's wish to stop (Ctrl-C). Set once, by the signal thread; waited for and reacted to by commands. Thread-safe.
class Interrupt {
 public:
  // Runs a reaction when the interrupt comes, or at once if it has come; forgets it when destroyed. The reaction runs
  // on the signal thread and must not block.
  class Reaction {
   public:
    Reaction(Interrupt& interrupt, std::function<void()> react);
    ~Reaction();
    Reaction(const Reaction&) = delete;
    Reaction& operator=(const Reaction&) = delete;

   private:
    Interrupt& interrupt_;
    std::list<std::function<void()>>::iterator place_;
  };

  // Sets it and runs the reactions. Again: does nothing.
  void Request();

  bool requested() const;

  // Waits for it, but no longer than `timeout`. True if it has come.
  bool AwaitFor(absl::Duration timeout) const;

 private:
  mutable absl::Mutex mutex_;
  bool requested_ ABSL_GUARDED_BY(mutex_) = false;
  std::list<std::function<void()>> reactions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_ENVIRONMENT_INTERRUPT_H_
