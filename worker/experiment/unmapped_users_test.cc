// Users whose pages come out of caches that keep them not present, one object at a time.
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/experiment/make_page_user.h"
#include "worker/experiment/pack_pool.h"
#include "worker/experiment/page_supply.h"
#include "worker/model/machine.h"
#include "worker/policy/registry.h"
#include "worker/workload/bpf.h"
#include "worker/workload/module.h"
#include "worker/workload/page_tables.h"
#include "worker/workload/secretmem.h"
#include "worker/workload/xpfo.h"

namespace dmfrag::experiment {
namespace {

using model::EntryFlags;
using model::FrameNumber;
using model::KernelRelease;
using policy::CacheOptions;
using workload::Operation;

class UnmappedMachine {
 public:
  UnmappedMachine(const std::string& type, const CacheOptions& options, KernelRelease release,
                  const workload::ObjectTraffic& traffic)
      : machine_(*model::Machine::Create(
            {.memory = *model::MemoryMap::Pc(uint64_t{64} << 20), .mapping = {}, .cpus = 2, .cpa_release = release})),
        cache_(*policy::MakeCache({.type = type, .options = options}, machine_.get())),
        supply_(machine_.get(), cache_.get(), nullptr, UserOf(traffic)),
        packs_(&supply_),
        user_(MakePageUser(traffic, &supply_, &packs_)) {
    machine_->ChargeTo(&events_);
  }

  void Make(uint64_t pages) {
    operation_ = {.allocations = pages, .detail = 4000};
    for (uint64_t left = user_->AllocationsOf(operation_); left > 0; --left) {
      const auto page = user_->Allocate(operation_);
      ASSERT_TRUE(page.has_value());
      pages_.push_back(*page);
    }
    ASSERT_TRUE(user_->Protect(operation_, pages_));
  }
  void End() {
    user_->Unprotect(operation_, pages_);
    for (const FrameNumber page : pages_) user_->Free(operation_, page);
    pages_.clear();
  }

  uint64_t PagesNotPresent() const {
    uint64_t pages = 0;
    machine_->direct_map().ForEachRun([&](const model::LeafRun& run) {
      if (!run.flags.Has(EntryFlags::kPresent)) pages += run.frames.raw();
    });
    return pages;
  }
  uint64_t IdlePages() const { return cache_->idle_pages().raw(); }
  const std::vector<FrameNumber>& pages() const { return pages_; }
  policy::CacheType& cache() { return *cache_; }
  model::Machine& machine() { return *machine_; }

 private:
  static policy::CacheUser UserOf(const workload::ObjectTraffic& traffic) {
    return {.category_two = traffic.permission->category == workload::Permission::Category::kTwo};
  }

  model::EventCounters events_;
  std::unique_ptr<model::Machine> machine_;
  std::unique_ptr<policy::CacheType> cache_;
  PageSupply supply_;
  PackPools packs_;
  std::unique_ptr<PageUser> user_;
  Operation operation_;
  std::vector<FrameNumber> pages_;
};

TEST(UnmappedUsersTest, WhatAnObjectHadGoesBackNotPresent) {
  const std::vector<workload::ObjectTraffic> users = {workload::BpfTraffic({}), workload::ModuleTraffic({}),
                                                      workload::SecretmemTraffic({}), workload::XpfoTraffic({}),
                                                      workload::PageTablesTraffic({})};
  for (const std::string type : {"unmapped_buddy", "global", "per_user", "freetype"}) {
    for (const workload::ObjectTraffic& traffic : users) {
      for (const KernelRelease release : {KernelRelease::k5_17, KernelRelease::k6_12, KernelRelease::k7_3}) {
        SCOPED_TRACE(::testing::Message()
                     << type << ", " << traffic.permission->name << ", release " << static_cast<int>(release));
        UnmappedMachine machine(type, {.entry = CacheOptions::Entry::kNotPresent}, release, traffic);
        machine.Make(30);
        machine.End();
        EXPECT_EQ(machine.PagesNotPresent(), machine.IdlePages());
        EXPECT_OK(machine.cache().CheckInvariants());
        EXPECT_OK(machine.machine().CheckInvariants());
      }
    }
  }
}

// unmapped_alloc's draft: what was not asked for stays present, and goes to users as it is.
TEST(UnmappedUsersTest, PagesThatADraftForgotToUnmapComeBackAsTheyWent) {
  for (const workload::ObjectTraffic& traffic : {workload::SecretmemTraffic({}), workload::PageTablesTraffic({})}) {
    SCOPED_TRACE(traffic.permission->name);
    UnmappedMachine machine("unmapped_buddy", {.entry = CacheOptions::Entry::kNotPresent, .draft_refill_defect = true},
                            KernelRelease::k6_12, traffic);
    machine.Make(3);
    EXPECT_EQ(machine.IdlePages(), 509U);
    machine.End();
    EXPECT_EQ(machine.IdlePages(), 512U);
    EXPECT_LE(machine.PagesNotPresent(), 3U);
    EXPECT_OK(machine.cache().CheckInvariants());
  }
}

}  // namespace
}  // namespace dmfrag::experiment
