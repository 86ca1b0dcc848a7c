#ifndef DMFRAG_WORKER_POLICY_CACHE_FIXTURE_H_
#define DMFRAG_WORKER_POLICY_CACHE_FIXTURE_H_

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/machine.h"
#include "worker/policy/registry.h"

namespace dmfrag::policy {

// For tests: a machine of 1 GiB with 4 processors, and a cache on it. Invariants of both
// are checked at the end.
class CacheFixture : public ::testing::Test {
 protected:
  ~CacheFixture() override {
    EXPECT_OK(cache_->CheckInvariants());
    EXPECT_OK(machine_->CheckInvariants());
  }

  // A new machine with this cache.
  void Use(const std::string& type, const CacheOptions& options) { Use(type, options, Pc()); }
  void Use(const std::string& type, const CacheOptions& options, const model::MachineConfig& config) {
    cache_ = nullptr;
    machine_ = *model::Machine::Create(config);
    events_ = {};
    machine_->ChargeTo(&events_);
    cache_ = *MakeCache({.type = type, .options = options}, machine_.get());
  }

  static model::MachineConfig Pc() {
    return {.memory = *model::MemoryMap::Pc(uint64_t{1} << 30), .mapping = {}, .cpus = 4};
  }
  static CacheUser One(uint32_t number) { return {.number = number}; }
  static CacheUser Two(uint32_t number) { return {.number = number, .category_two = true}; }

  std::vector<model::FrameNumber> Allocate(int pages, const CacheUser& user = {}) {
    std::vector<model::FrameNumber> got;
    for (int i = 0; i < pages; ++i) got.push_back(cache_->Allocate({.user = user})->page);
    return got;
  }
  void Free(model::FrameNumber page, const CacheUser& user = {}) {
    cache_->Free(page, model::Order(0), user, cache_->StateOnFree(user));
  }
  void Free(const std::vector<model::FrameNumber>& pages, const CacheUser& user = {}) {
    for (const model::FrameNumber page : pages) Free(page, user);
  }
  // An ordinary free.
  void FreeOrdinary(model::FrameNumber block, model::Order order = model::Order(0)) {
    if (cache_->checks_frees() && cache_->DivertFree(block, order)) return;
    machine_->allocator().Free(block, order);
  }
  // Uses up memory, and gives every second page of it back: no block is left.
  void BreakAllBlocks() {
    std::vector<model::FrameNumber> all;
    while (const auto page = machine_->allocator().Allocate(model::Order(0), model::Migratetype::kUnmovable)) {
      all.push_back(*page);
    }
    for (size_t i = 0; i < all.size(); i += 2) machine_->allocator().Free(all[i], model::Order(0));
  }

  uint64_t PagesNotPresent() const {
    uint64_t pages = 0;
    machine_->direct_map().ForEachRun([&](const model::LeafRun& run) {
      if (!run.flags.Has(model::EntryFlags::kPresent)) pages += run.frames.raw();
    });
    return pages;
  }
  uint64_t Splits() const { return machine_->direct_map_counters().level2_splits; }
  bool IsPresent(model::FrameNumber page) const {
    return machine_->direct_map().Lookup(page)->flags.Has(model::EntryFlags::kPresent);
  }
  model::MapLevel LevelOf(model::FrameNumber page) const { return machine_->direct_map().Lookup(page)->level; }

  model::EventCounters events_;
  std::unique_ptr<model::Machine> machine_;
  std::unique_ptr<CacheType> cache_;
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_CACHE_FIXTURE_H_
