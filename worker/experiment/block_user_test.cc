#include "worker/experiment/block_user.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/machine.h"
#include "worker/model/memory_map.h"
#include "worker/policy/interface.h"
#include "worker/workload/dma.h"
#include "worker/workload/guest_memory.h"
#include "worker/workload/memory_failure.h"
#include "worker/workload/page_tables.h"
#include "worker/workload/uncached.h"
#include "worker/workload/xpfo.h"

namespace dmfrag::experiment {
namespace {

using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using model::MapLevel;
using model::Order;
using workload::Operation;

// Counts what goes through it to the page allocator.
class CountingCache : public policy::CacheType {
 public:
  explicit CountingCache(model::Machine* machine) : machine_(machine) {}
  std::string name() const override { return "counting"; }
  std::optional<policy::CachedPage> Allocate(const policy::PageRequest& request) override {
    requests.push_back(request.type);
    const auto page = machine_->allocator().Allocate(Order(0), request.type);
    return page.has_value() ? std::optional(policy::CachedPage{*page}) : std::nullopt;
  }
  void Free(FrameNumber frame, Order, const policy::CacheUser&, policy::PageState) override {
    ++freed;
    machine_->allocator().Free(frame, Order(0));
  }
  FrameCount Shrink(FrameCount) override { return FrameCount(0); }
  FrameCount idle_pages() const override { return FrameCount(0); }
  absl::Status CheckInvariants() const override { return absl::OkStatus(); }

  std::vector<model::Migratetype> requests;
  int freed = 0;

 private:
  model::Machine* machine_;
};

class BlockUserTest : public ::testing::Test {
 protected:
  BlockUserTest()
      : machine_(
            *model::Machine::Create({.memory = *model::MemoryMap::Pc(uint64_t{1} << 30), .mapping = {}, .cpus = 4})),
        cache_(machine_.get()),
        supply_(machine_.get(), &cache_) {
    machine_->ChargeTo(&events_);
  }
  ~BlockUserTest() override { EXPECT_OK(machine_->CheckInvariants()); }

  void Use(const workload::ObjectTraffic& traffic) {
    user_ = std::make_unique<BlockUser>(traffic.permission, &supply_);
    operation_ = {.order = traffic.order, .type = traffic.type};
    block_ = *user_->Allocate(operation_);
  }
  // Frees the block, and counts from there.
  void Free() {
    events_ = {};
    user_->Free(operation_, block_);
  }
  model::DirectMap::Leaf Leaf() const { return *machine_->direct_map().Lookup(block_); }

  model::EventCounters events_;
  std::unique_ptr<model::Machine> machine_;
  CountingCache cache_;
  PageSupply supply_;
  std::unique_ptr<BlockUser> user_;
  Operation operation_;
  FrameNumber block_;
};

template <typename Config>
Config OfOrder(unsigned order) {
  Config config;
  config.order = Order(order);
  return config;
}

TEST_F(BlockUserTest, APageTableIsReadOnlyAndFlushedAndComesBackWithoutAFlush) {
  Use(workload::PageTablesTraffic({}));
  EXPECT_FALSE(Leaf().flags.Has(EntryFlags::kWritable));
  EXPECT_TRUE(Leaf().flags.Has(EntryFlags::kPresent));
  EXPECT_EQ(events_.cpa_requests, 1);
  EXPECT_EQ(events_.flushes_range, 1);
  Free();
  EXPECT_TRUE(Leaf().flags.Has(EntryFlags::kWritable));
  EXPECT_EQ(events_.cpa_requests, 1);
  EXPECT_EQ(events_.flushes_range + events_.flushes_all, 0);
}

TEST_F(BlockUserTest, GuestMemoryIsNotPresentAndFlushedAndComesBackWithoutAFlush) {
  Use(workload::GuestMemoryTraffic({}));
  EXPECT_FALSE(Leaf().flags.Has(EntryFlags::kPresent));
  EXPECT_EQ(events_.cpa_requests, 1);
  EXPECT_EQ(events_.flushes_range, 1);
  Free();
  EXPECT_TRUE(Leaf().flags.Has(EntryFlags::kPresent));
  EXPECT_EQ(events_.flushes_range + events_.flushes_all, 0);
}

TEST_F(BlockUserTest, APageUnderXpfoLosesItsEntryAndGetsAllOfItBack) {
  Use(workload::XpfoTraffic({}));
  EXPECT_TRUE(Leaf().flags.empty());
  EXPECT_EQ(events_.flushes_range, 1);
  EXPECT_EQ(cache_.requests, std::vector<model::Migratetype>{model::Migratetype::kMovable});
  Free();
  EXPECT_EQ(Leaf().flags, EntryFlags::PageKernel());
  EXPECT_EQ(Leaf().level, MapLevel::k4K);
  EXPECT_EQ(events_.cpa_requests, 1);
  EXPECT_EQ(events_.flushes_range + events_.flushes_all, 0);
}

TEST_F(BlockUserTest, APoisonedPageIsNotPresentAndNoCacheHasASayInIt) {
  Use(workload::MemoryFailureTraffic({}));
  EXPECT_FALSE(Leaf().flags.Has(EntryFlags::kPresent));
  EXPECT_EQ(events_.splits_2m, 1);
  EXPECT_EQ(events_.flushes_range, 1);
  Free();
  EXPECT_TRUE(Leaf().flags.Has(EntryFlags::kPresent));
  EXPECT_TRUE(cache_.requests.empty());
  EXPECT_EQ(cache_.freed, 0);
}

TEST_F(BlockUserTest, AnUncachedBlockOf2MStaysWhole) {
  Use(workload::UncachedTraffic(OfOrder<workload::UncachedConfig>(9)));
  EXPECT_TRUE(Leaf().flags.Has(EntryFlags::kCacheDisable));
  EXPECT_EQ(Leaf().level, MapLevel::k2M);
  EXPECT_EQ(events_.splits_2m, 0);
  EXPECT_EQ(events_.entries_written, 1);
  EXPECT_EQ(events_.cache_flush_pages, 512);
  Free();
  EXPECT_FALSE(Leaf().flags.Has(EntryFlags::kCacheDisable));
  EXPECT_EQ(events_.entries_written, 1);
  EXPECT_EQ(events_.flushes_all, 1);  // of 512 pages
  EXPECT_EQ(events_.cache_flush_pages, 0);
}

TEST_F(BlockUserTest, AnUncachedBlockBelow2MSplitsOnePageAndLeavesItSplit) {
  Use(workload::UncachedTraffic(OfOrder<workload::UncachedConfig>(3)));
  EXPECT_EQ(events_.splits_2m, 1);
  EXPECT_EQ(events_.entries_written, 8);
  EXPECT_EQ(events_.flushes_range, 1);
  EXPECT_TRUE(cache_.requests.empty());
  Free();
  EXPECT_EQ(Leaf().level, MapLevel::k4K);
  EXPECT_EQ(events_.entries_written, 8);
  EXPECT_EQ(events_.flushes_range, 1);
}

TEST_F(BlockUserTest, SinglePagesOfDriversComeThroughTheCache) {
  Use(workload::UncachedTraffic(OfOrder<workload::UncachedConfig>(0)));
  Free();
  EXPECT_EQ(cache_.requests, std::vector<model::Migratetype>{model::Migratetype::kUnmovable});
  EXPECT_EQ(cache_.freed, 1);
}

TEST_F(BlockUserTest, ASharedBlockIsFlushedBeforeAndAfterEachChange) {
  Use(workload::DmaTraffic(OfOrder<workload::DmaConfig>(4)));
  EXPECT_TRUE(Leaf().flags.Has(EntryFlags::kShared));
  EXPECT_EQ(events_.splits_2m, 1);
  EXPECT_EQ(events_.entries_written, 16);
  EXPECT_EQ(events_.flushes_range, 2);
  EXPECT_EQ(events_.cache_flush_pages, 0);
  Free();
  EXPECT_FALSE(Leaf().flags.Has(EntryFlags::kShared));
  EXPECT_EQ(events_.entries_written, 16);
  EXPECT_EQ(events_.flushes_range, 2);
}

TEST_F(BlockUserTest, ASharedBlockOf2MStaysWhole) {
  Use(workload::DmaTraffic(OfOrder<workload::DmaConfig>(9)));
  EXPECT_EQ(Leaf().level, MapLevel::k2M);
  EXPECT_EQ(events_.splits_2m, 0);
  EXPECT_EQ(events_.entries_written, 1);
  Free();
  EXPECT_EQ(events_.flushes_all, 2);
  EXPECT_EQ(Leaf().flags, EntryFlags::PageKernel());
}

TEST_F(BlockUserTest, TablesAreFreedInBatchesAfterTheirResets) {
  const workload::ObjectTraffic traffic = workload::PageTablesTraffic({});
  GatheredPages user(traffic.permission, &supply_);
  std::vector<FrameNumber> pages;
  for (int i = 0; i < 1020; ++i) pages.push_back(*user.Allocate(operation_));
  user.Unprotect(operation_, pages);
  std::vector<int> freed_after;
  events_ = {};
  for (size_t i = 0; i < pages.size(); ++i) {
    const int before = cache_.freed;
    user.Free(operation_, pages[i]);
    EXPECT_EQ(events_.cpa_requests, static_cast<int64_t>(i) + 1);
    if (cache_.freed != before) freed_after.push_back(static_cast<int>(i) + 1);
  }
  EXPECT_EQ(freed_after, (std::vector<int>{509, 1018, 1020}));
  EXPECT_EQ(cache_.freed, 1020);
}

}  // namespace
}  // namespace dmfrag::experiment
