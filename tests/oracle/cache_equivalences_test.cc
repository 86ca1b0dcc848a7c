// Cache types that come to the same thing in special cases, page by page.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/experiment/page_supply.h"
#include "worker/experiment/run.h"
#include "worker/policy/registry.h"
#include "worker/workload/random.h"

namespace dmfrag::tests {
namespace {

using experiment::RunConfig;
using experiment::RunResult;
using model::FrameCount;
using model::FrameNumber;
using model::Migratetype;
using model::Order;
using policy::CacheOptions;
using policy::CacheUser;
using workload::Constant;
using workload::Exponential;
using workload::Uniform;
using Entry = CacheOptions::Entry;
using Restore = CacheOptions::Restore;

// A cache on a machine of its own, and one user of it beside ordinary traffic.
class Side {
 public:
  Side(const std::string& type, const CacheOptions& options)
      : machine_(*model::Machine::Create(
            {.memory = *model::MemoryMap::FromUsableRanges({{16 << 20, 64 << 20}}), .mapping = {}, .cpus = 2})) {
    machine_->ChargeTo(&events_);
    cache_ = *policy::MakeCache({.type = type, .options = options}, machine_.get());
  }
  ~Side() {
    EXPECT_OK(cache_->CheckInvariants());
    EXPECT_OK(machine_->CheckInvariants());
  }

  model::Machine& machine() { return *machine_; }
  policy::CacheType& cache() { return *cache_; }
  const model::EventCounters& events() const { return events_; }

 private:
  model::EventCounters events_;
  std::unique_ptr<model::Machine> machine_;
  std::unique_ptr<policy::CacheType> cache_;
};

// Both do the same, and get the same pages at the same cost. `uses_cache`: somebody changes permissions.
void ExpectTheSame(Side& a, Side& b, const CacheUser& user, bool uses_cache, uint64_t seed) {
  workload::Random random(seed);
  std::vector<FrameNumber> cached;
  std::vector<std::pair<FrameNumber, Order>> ordinary;
  for (int step = 0; step < 6000; ++step) {
    const uint64_t choice = random.Below(20);
    if (choice < 6 && uses_cache) {
      const policy::PageRequest request = {.user = user, .can_sleep = random.Below(8) != 0};
      const auto page = a.cache().Allocate(request);
      const auto other = b.cache().Allocate(request);
      ASSERT_EQ(page.has_value(), other.has_value());
      if (!page.has_value()) continue;
      ASSERT_EQ(page->page, other->page);
      ASSERT_EQ(page->state, other->state);
      cached.push_back(page->page);
    } else if (choice < 12) {
      const Order order(random.Below(6) == 0 ? static_cast<unsigned>(random.Below(10)) : 0);
      const auto type = static_cast<Migratetype>(random.Below(3));
      const auto block = a.machine().allocator().Allocate(order, type);
      ASSERT_EQ(block, b.machine().allocator().Allocate(order, type));
      if (block.has_value()) ordinary.emplace_back(*block, order);
    } else if (choice < 15 && !cached.empty()) {
      std::swap(cached[random.Below(cached.size())], cached.back());
      a.cache().Free(cached.back(), Order(0), user, a.cache().StateOnFree(user));
      b.cache().Free(cached.back(), Order(0), user, b.cache().StateOnFree(user));
      cached.pop_back();
    } else if (choice < 19 && !ordinary.empty()) {
      std::swap(ordinary[random.Below(ordinary.size())], ordinary.back());
      const auto [block, order] = ordinary.back();
      experiment::FreeOrdinary(block, order, a.machine(), a.cache());
      experiment::FreeOrdinary(block, order, b.machine(), b.cache());
      ordinary.pop_back();
    } else if (choice == 19 && random.Below(20) == 0) {
      const FrameCount at_most(random.Below(700));
      ASSERT_EQ(a.cache().Shrink(at_most), b.cache().Shrink(at_most));
    }
    ASSERT_EQ(a.cache().idle_pages(), b.cache().idle_pages());
    ASSERT_EQ(a.machine().direct_map().counts(), b.machine().direct_map().counts());
  }
}

TEST(CacheEquivalencesTest, PerUserWithOneUserIsAGlobalCacheWithAFreeFunctionOfItsOwn) {
  uint64_t seed = 1;
  for (const Entry entry : {Entry::kRw4K, Entry::kNotPresent, Entry::kNotPresent2M, Entry::kMapped}) {
    for (const Restore restore : {Restore::kNever, Restore::kOnShrink, Restore::kCollapse}) {
      // Page tables out of the cache would be a second user.
      const CacheOptions options = {.refill_order = Order(static_cast<unsigned>(seed % 10)),
                                    .restore = restore,
                                    .entry = entry,
                                    .free_path = CacheOptions::FreePath::kDedicatedApi};
      Side per_user("per_user", options);
      Side global("global", options);
      ExpectTheSame(per_user, global, {.number = 3}, /*uses_cache=*/true, seed++);
      EXPECT_EQ(per_user.events(), global.events());
      EXPECT_GT(per_user.events().refills, 0);
    }
  }
}

TEST(CacheEquivalencesTest, HierarchicalWithoutCategoryTwoIsUnmappedBuddyForSinglePages) {
  uint64_t seed = 1;
  for (const Entry entry : {Entry::kNotPresent, Entry::kNotPresent2M}) {
    for (const Restore restore : {Restore::kNever, Restore::kOnShrink, Restore::kCollapse}) {
      for (const bool tables_from_cache : {false, true}) {
        const CacheOptions options = {.refill_order = Order(static_cast<unsigned>(9 - seed % 4)),
                                      .restore = restore,
                                      .entry = entry,
                                      .tables_from_cache = tables_from_cache};
        Side hierarchical("hierarchical", options);
        Side buddy("unmapped_buddy", options);
        ExpectTheSame(hierarchical, buddy, {.number = 3, .zeroes_new = true}, /*uses_cache=*/true, seed++);
        EXPECT_EQ(hierarchical.events(), buddy.events());
        EXPECT_GT(hierarchical.events().refills, 0);
      }
    }
  }
}

TEST(CacheEquivalencesTest, WithoutUsersOfPermissionsEveryTypeIsThePlainPageAllocator) {
  for (const std::string& type : policy::CacheTypeNames()) {
    SCOPED_TRACE(type);
    Side cached(type, {.free_path = CacheOptions::FreePath::kDivert});
    Side plain("none", {});
    ExpectTheSame(cached, plain, {}, /*uses_cache=*/false, /*seed=*/7);
    model::EventCounters events = cached.events();
    events.free_checks = 0;
    EXPECT_EQ(events, plain.events());
  }
}

// Ordinary traffic alone, on a machine that is small for it, so that memory is reclaimed.
RunResult RunOrdinary(const std::string& type, bool debug_pagealloc) {
  RunConfig config = {.machine = {.memory = *model::MemoryMap::Pc(uint64_t{128} << 20),
                                  .mapping = {.debug_pagealloc = debug_pagealloc},
                                  .cpus = 2},
                      .cache = {.type = type, .options = {.free_path = CacheOptions::FreePath::kDivert}},
                      .mix = {},
                      .length = {.duration_us = 3'000'000, .warmup_us = 100'000, .sample_interval_us = 100'000}};
  config.mix.users = {{"files", workload::PageCacheConfig{Constant{500}, Exponential{16}, 20}},
                      {"processes", workload::OrdinaryConfig{Migratetype::kMovable, Order(0), Exponential{2000},
                                                             Uniform{1, 100}, Exponential{300'000}}},
                      {"blocks", workload::OrdinaryConfig{Migratetype::kUnmovable, Order(3), Exponential{3000},
                                                          Constant{2}, Exponential{500'000}}},
                      {"huge", workload::OrdinaryConfig{Migratetype::kMovable, Order(9), Constant{50'000}, Constant{1},
                                                        Constant{200'000}}}};
  auto result = experiment::Run(config);
  EXPECT_OK(result);
  return *std::move(result);
}

TEST(CacheEquivalencesTest, ARunWithoutUsersOfPermissionsHasTheResultsOfNone) {
  const RunResult none = RunOrdinary("none", false);
  EXPECT_GT(none.TotalEvents().pages_reclaimed, 1000);
  for (const std::string& type : policy::CacheTypeNames()) {
    SCOPED_TRACE(type);
    const bool debug_pagealloc = type == "debug_pagealloc";
    const RunResult run = RunOrdinary(type, debug_pagealloc);
    ASSERT_EQ(run.users.size(), none.users.size());
    for (size_t user = 0; user < run.users.size(); ++user) {
      model::EventCounters events = run.users[user].events;
      events.free_checks = 0;
      if (debug_pagealloc) events.cpa_requests = events.entries_written = events.local_flushes = 0;
      EXPECT_EQ(events, none.users[user].events) << run.users[user].name;
      EXPECT_EQ(run.users[user].live_pages, none.users[user].live_pages);
    }
    EXPECT_EQ(run.free_pages, none.free_pages);
    EXPECT_EQ(run.held_pages_max, 0);
    EXPECT_EQ(run.unusable_free_2m_per_mille, none.unusable_free_2m_per_mille);
    if (!debug_pagealloc) {
      EXPECT_EQ(run.direct_map.kib_4k(), none.direct_map.kib_4k());
    }
  }
}

}  // namespace
}  // namespace dmfrag::tests
