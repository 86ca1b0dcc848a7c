#ifndef DMFRAG_WORKER_EXPERIMENT_BLOCK_USER_H_
#define DMFRAG_WORKER_EXPERIMENT_BLOCK_USER_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "worker/experiment/page_supply.h"
#include "worker/experiment/page_user.h"
#include "worker/model/units.h"
#include "worker/workload/operation.h"
#include "worker/workload/permission.h"

namespace dmfrag::experiment {

// Each block changes alone when it is got, and again before it is freed. Without memory for a split it is put back as
// it was, and freed. Borrows both pointers.
class BlockUser : public PageUser {
 public:
  BlockUser(const workload::Permission* permission, PageSupply* supply) : permission_(permission), supply_(supply) {}

  std::optional<model::FrameNumber> Allocate(const workload::Operation& operation) override;
  void Free(const workload::Operation& operation, model::FrameNumber block) override;
  bool TakeUp(const workload::Operation& operation, model::FrameNumber block) override;
  bool Move(model::FrameNumber from, model::FrameNumber to) override;

 protected:
  const workload::Permission& permission() const { return *permission_; }
  void Reset(model::Order order, model::FrameNumber block);
  void GiveBack(model::Order order, model::FrameNumber block);

 private:
  std::optional<policy::CachedPage> Get(const workload::Operation& operation);
  bool Set(model::Order order, const policy::CachedPage& block);
  workload::UserCalls CallsOn(workload::PermissionCalls calls, model::Order order, model::FrameNumber block);

  const workload::Permission* permission_;
  PageSupply* supply_;
  std::vector<model::FrameNumber> frames_;  // of the block at hand; its room is used again
};

// Single pages that an object gives back in batches: each is reset when the object gives it up, and a batch is freed
// once it is full, or is the object's last.
class GatheredPages final : public BlockUser {
 public:
  using BlockUser::BlockUser;

  void Unprotect(const workload::Operation& operation, const std::vector<model::FrameNumber>& pages) override;
  void Free(const workload::Operation& operation, model::FrameNumber page) override;

 private:
  size_t left_ = 0;  // pages that the object at its end still has
  std::vector<model::FrameNumber> batch_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_BLOCK_USER_H_
