#include "worker/experiment/user_machine.h"

#include <optional>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/experiment/make_page_user.h"

namespace dmfrag::experiment {

using model::EntryFlags;
using model::FrameNumber;
using workload::Operation;

UserMachine::UserMachine(model::KernelRelease release, const model::MemoryMap& memory,
                         const workload::ObjectTraffic& traffic)
    : machine_(*model::Machine::Create({.memory = memory, .mapping = {}, .cpus = 2, .cpa_release = release})),
      none_(machine_.get()),
      supply_(machine_.get(), &none_),
      packs_(&supply_),
      user_(MakePageUser(traffic, &supply_, &packs_)) {
  machine_->ChargeTo(&events_);
  machine_->Observe(this);
  free_at_first_ = FreePages();
}

bool UserMachine::Make(uint64_t object, uint64_t pages) {
  const Operation operation{.object = object, .allocations = pages};
  std::vector<FrameNumber>& blocks = blocks_[object];
  bool done = true;
  while (done && blocks.size() < user_->AllocationsOf(operation)) {
    const std::optional<FrameNumber> block = user_->Allocate(operation);
    done = block.has_value();
    if (done) blocks.push_back(*block);
  }
  if (done && user_->Protect(operation, blocks)) return true;
  for (const FrameNumber block : blocks) user_->Free(operation, block);
  blocks.clear();
  return false;
}

void UserMachine::End(uint64_t object) {
  const Operation operation{.kind = Operation::Kind::kDestroy, .object = object};
  user_->Unprotect(operation, blocks_[object]);
  for (const FrameNumber block : blocks_[object]) user_->Free(operation, block);
  blocks_.erase(object);
}

void UserMachine::FillBut(uint64_t pages) {
  std::vector<FrameNumber> filled;
  while (const auto page = machine_->allocator().Allocate(model::Order(0), model::Migratetype::kUnmovable)) {
    filled.push_back(*page);
  }
  for (uint64_t i = 0; i < pages; ++i) machine_->allocator().Free(filled[2 * i], model::Order(0));
  machine_->allocator().DrainPerCpu();
  free_at_first_ = FreePages();
}

uint64_t UserMachine::FreePages() const {
  return machine_->allocator().free_frames().raw() + machine_->allocator().per_cpu_frames().raw();
}

uint64_t UserMachine::PagesWithout(EntryFlags flags) const {
  uint64_t pages = 0;
  machine_->direct_map().ForEachRun([&](const model::LeafRun& run) {
    if (run.flags.With(flags) != run.flags) pages += run.frames.raw();
  });
  return pages;
}

void UserMachine::ExpectNothingIsLeft() const {
  EXPECT_OK(machine_->CheckInvariants());
  EXPECT_EQ(PagesWithout(EntryFlags(EntryFlags::kPresent | EntryFlags::kWritable)), 0U);
  EXPECT_EQ(user_->other_pages(), 0);
  const int64_t tables = events_.splits_2m + events_.splits_1g - events_.collapses_2m - events_.collapses_1g;
  EXPECT_EQ(FreePages() + static_cast<uint64_t>(tables), free_at_first_);
  EXPECT_EQ(events_.vmalloc_splits_2m, events_.vmalloc_collapses_2m);
}

}  // namespace dmfrag::experiment
