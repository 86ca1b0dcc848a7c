#include "worker/experiment/graphics_user.h"

#include <map>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/machine.h"
#include "worker/model/memory_map.h"
#include "worker/policy/none.h"
#include "worker/workload/graphics.h"

namespace dmfrag::experiment {
namespace {

using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using model::MapLevel;
using model::Order;
using workload::GraphicsConfig;
using workload::Operation;

class GraphicsUserTest : public ::testing::Test {
 protected:
  GraphicsUserTest()
      : machine_(*model::Machine::Create({.memory = *model::MemoryMap::Pc(uint64_t{1} << 30),
                                          .mapping = {},
                                          .cpus = 4,
                                          .cpa_release = model::KernelRelease::k6_12})),
        cache_(machine_.get()),
        supply_(machine_.get(), &cache_) {
    machine_->ChargeTo(&events_);
  }
  ~GraphicsUserTest() override { EXPECT_OK(machine_->CheckInvariants()); }

  void Use(unsigned order, uint32_t pool_per_mille = 500,
           GraphicsConfig::MemoryType type = GraphicsConfig::MemoryType::kWriteCombining) {
    GraphicsConfig config;
    config.order = Order(order);
    config.pool_per_mille = pool_per_mille;
    config.memory_type = type;
    user_ = std::make_unique<GraphicsUser>(workload::GraphicsTraffic(config), &supply_);
    operation_.order = config.order;
  }
  // A buffer of so many blocks; it counts from its beginning.
  std::vector<FrameNumber> Buffer(uint64_t blocks) {
    events_ = {};
    std::vector<FrameNumber> buffer;
    while (buffer.size() < blocks) buffer.push_back(*user_->Allocate(operation_));
    EXPECT_TRUE(user_->Protect(operation_, buffer));
    return buffer;
  }
  void Free(const std::vector<FrameNumber>& buffer) {
    events_ = {};
    for (const FrameNumber block : buffer) user_->Free(operation_, block);
  }
  model::DirectMap::Leaf Leaf(FrameNumber frame) const { return *machine_->direct_map().Lookup(frame); }
  uint64_t AllocatedPages() const { return machine_->allocator().allocated_frames().raw(); }

  model::EventCounters events_;
  std::unique_ptr<model::Machine> machine_;
  policy::NoneCache cache_;
  PageSupply supply_;
  std::unique_ptr<GraphicsUser> user_;
  Operation operation_;
};

// Even a block that covers its 2M page is split, since the change goes page by page; nothing merges it again on 6.12.
TEST_F(GraphicsUserTest, ABlockOf2MIsSplitOnceAndForEver) {
  Use(9);
  const std::vector<FrameNumber> buffer = Buffer(1);
  EXPECT_EQ(events_.splits_2m, 1);
  EXPECT_EQ(events_.entries_written, 2 * 512);  // to UC-, then to write-combining
  EXPECT_EQ(events_.flushes_all, 1 + events_.splits_1g + 2);
  for (uint64_t i = 0; i < 512; ++i) {
    EXPECT_EQ(Leaf(buffer[0] + FrameCount(i)).level, MapLevel::k4K);
    EXPECT_TRUE(Leaf(buffer[0] + FrameCount(i)).flags.Has(EntryFlags::kWriteThrough));
    EXPECT_FALSE(Leaf(buffer[0] + FrameCount(i)).flags.Has(EntryFlags::kCacheDisable));
  }
  Free(buffer);
  EXPECT_EQ(events_, model::EventCounters());
  EXPECT_EQ(user_->other_pages(), 512);
  EXPECT_EQ(user_->Shrink(FrameCount(1)), FrameCount(512));
  EXPECT_EQ(events_.cpa_requests, 1);
  EXPECT_EQ(events_.entries_written, 512);
  EXPECT_EQ(events_.flushes_all, 1);
  EXPECT_EQ(events_.collapses_2m, 0);
  EXPECT_EQ(Leaf(buffer[0]).level, MapLevel::k4K);
  EXPECT_EQ(Leaf(buffer[0]).flags, EntryFlags::PageKernel());
  EXPECT_EQ(user_->other_pages(), 0);
}

TEST_F(GraphicsUserTest, WhatThePoolHasCostsNothing) {
  Use(9);
  const std::vector<FrameNumber> first = Buffer(2);
  Free(first);
  EXPECT_EQ(Buffer(2), first);  // oldest first
  EXPECT_EQ(events_, model::EventCounters());
  EXPECT_EQ(user_->other_pages(), 0);
}

TEST_F(GraphicsUserTest, NewBlocksOfABufferChangeTogether) {
  Use(9);
  Free(Buffer(1));
  Buffer(4);
  EXPECT_EQ(events_.splits_2m, 3);
  EXPECT_EQ(events_.entries_written, 2 * 3 * 512);
  EXPECT_EQ(events_.flushes_all, 3 + events_.splits_1g + 2);
}

TEST_F(GraphicsUserTest, UncachedTakesOnePass) {
  Use(2, 500, GraphicsConfig::MemoryType::kUncached);
  const std::vector<FrameNumber> buffer = Buffer(2);
  EXPECT_TRUE(Leaf(buffer[1]).flags.Has(EntryFlags::kCacheDisable));
  EXPECT_EQ(events_.entries_written, 8);
  EXPECT_EQ(events_.flushes_range, 1);
}

TEST_F(GraphicsUserTest, BeyondItsLimitThePoolGivesUpTheOldest) {
  Use(9, 5);  // of 1 GiB: two blocks of 2M
  const std::vector<FrameNumber> buffer = Buffer(3);
  const uint64_t allocated = AllocatedPages();
  Free(buffer);
  EXPECT_EQ(user_->other_pages(), 2 * 512);
  EXPECT_EQ(AllocatedPages(), allocated - 512);
  EXPECT_EQ(Leaf(buffer[0]).flags, EntryFlags::PageKernel());
  EXPECT_TRUE(Leaf(buffer[1]).flags.Has(EntryFlags::kWriteThrough));
}

TEST_F(GraphicsUserTest, ABufferWithoutMemoryIsGivenUpAsAWhole) {
  Use(9);
  const std::vector<FrameNumber> pooled = Buffer(1);
  Free(pooled);
  const uint64_t allocated = AllocatedPages();
  std::vector<FrameNumber> buffer;
  events_ = {};
  while (const auto block = user_->Allocate(operation_)) buffer.push_back(*block);
  EXPECT_FALSE(user_->keeps_parts());
  for (const FrameNumber block : buffer) user_->Free(operation_, block);
  EXPECT_EQ(user_->other_pages(), 512);  // what it had from the pool
  EXPECT_EQ(AllocatedPages(), allocated);
  EXPECT_EQ(events_.cpa_requests, 0);
}

}  // namespace
}  // namespace dmfrag::experiment
