// Random programs of users on a machine that is too small for them, so that pages are moved and dropped all the time,
// with every invariant checked after each step.
#include <memory>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/experiment/live_pages.h"
#include "worker/experiment/make_page_user.h"
#include "worker/experiment/page_supply.h"
#include "worker/policy/registry.h"
#include "worker/workload/object_traffic.h"
#include "worker/workload/page_cache.h"
#include "worker/workload/random.h"
#include "worker/workload/secretmem.h"

namespace dmfrag::tests {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::Migratetype;
using model::Order;
using workload::Operation;

// A user's object, as the test knows it.
struct Live {
  Operation operation;
  experiment::ObjectTable::Slot slot;
  size_t blocks = 0;  // that it got
};

class Program {
 public:
  Program(const std::string& cache, uint64_t seed) : random_(seed) {
    policy::CacheConfig config = policy::DefaultConfig(cache);
    config.options.refill_order = Order(random_.Below(2) == 0 ? 9 : static_cast<unsigned>(random_.Below(9)));
    cache_ = *policy::MakeCache(config, machine_.get());
    machine_->ChargeTo(&events_);
    pages_ = std::make_unique<experiment::LivePages>(machine_.get(), cache_.get(), traffic_, &users_);
    pressure_ = std::make_unique<model::MemoryPressure>(machine_.get(), pages_.get());
    supply_ = std::make_unique<experiment::PageSupply>(machine_.get(), cache_.get(), pressure_.get());
    for (const workload::ObjectTraffic& traffic : traffic_) {
      page_users_.push_back(experiment::MakePageUser(traffic, supply_.get(), nullptr));
    }
  }

  void Step() {
    // Many small objects, so that those that stay lie scattered.
    const bool creates = random_.Below(20) < 11;
    for (uint64_t left = random_.Below(40); left > 0; --left) {
      if (creates) {
        Create();
      } else {
        Destroy();
      }
    }
    if (random_.Below(4) == 0 && pressure_->IsKswapdWoken()) pressure_->RunKswapd(0);
  }

  void Check() {
    ASSERT_OK(machine_->CheckInvariants());
    ASSERT_OK(cache_->CheckInvariants());
    std::vector<int64_t> live_pages(kUsers);
    std::set<FrameNumber> taken;
    std::erase_if(live_, [this](const Live& live) {
      return !pages_->objects().Contains(live.operation.user, live.operation.object);
    });
    for (const Live& live : live_) {
      const std::vector<FrameNumber>& blocks = pages_->objects().blocks(live.slot);
      ASSERT_EQ(blocks.size(), live.blocks);
      if (live.operation.user != kFiles) {
        ASSERT_EQ(pages_->objects().first_block(live.slot), 0);
      }
      for (size_t i = pages_->objects().first_block(live.slot); i < blocks.size(); ++i) {
        CheckBlock(live, blocks[i], static_cast<uint32_t>(i), taken);
        live_pages[live.operation.user] += static_cast<int64_t>(live.operation.order.frames().raw());
      }
    }
    for (size_t user = 0; user < kUsers; ++user) ASSERT_EQ(users_[user].live_pages, live_pages[user]) << user;
    // Every page given out is a user's, idle in the cache, or a page table of a split.
    ASSERT_EQ(machine_->allocator().allocated_frames().raw(),
              taken.size() + cache_->idle_pages().raw() + static_cast<uint64_t>(events_.table_pages));
  }

  const model::EventCounters& events() const { return events_; }

 private:
  static constexpr uint32_t kUsers = 5;
  static constexpr uint32_t kFiles = 1;

  // Movable pages, page cache, unmovable pages, movable blocks, secret pages.
  static std::vector<workload::ObjectTraffic> Traffic() {
    std::vector<workload::ObjectTraffic> traffic(kUsers);
    traffic[0].type = traffic[3].type = Migratetype::kMovable;
    traffic[kFiles] = workload::PageCacheTraffic({.read_again_percent = 30});
    traffic[3].order = Order(1);
    traffic[4] = workload::SecretmemTraffic({});
    return traffic;
  }

  Operation OperationOf(uint32_t user) {
    Operation operation;
    operation.user = user;
    operation.object = next_object_++;
    operation.allocations = 1 + random_.Below(user == 2 ? 2 : 60);
    operation.type = user == 2 || user == 4 ? Migratetype::kUnmovable : Migratetype::kMovable;
    operation.detail = random_.Below(100);
    if (user == 3) {
      operation.order = Order(1 + static_cast<unsigned>(random_.Below(9)));
      operation.allocations = 1;
    }
    return operation;
  }

  void CheckBlock(const Live& live, FrameNumber block, uint32_t index, std::set<FrameNumber>& taken) {
    for (FrameCount i; i < live.operation.order.frames(); i += FrameCount(1)) {
      ASSERT_TRUE(taken.insert(block + i).second) << "a frame has two owners";
      const auto leaf = machine_->direct_map().Lookup(block + i);
      ASSERT_EQ(leaf->flags.Has(model::EntryFlags::kPresent), live.operation.user != 4);
    }
    const auto owner = machine_->allocator().OwnerOf(block);
    if (live.operation.user > 1) {
      ASSERT_FALSE(owner.has_value());
    } else {
      ASSERT_EQ(owner, (model::PageAllocator::PageOwner{live.slot, index}));
    }
  }

  void Create() {
    const Operation operation = OperationOf(static_cast<uint32_t>(random_.Below(kUsers)));
    Live live{operation, pages_->Create(operation)};
    for (uint64_t left = operation.allocations; left > 0; --left) {
      const auto block = page_users_[operation.user]->Allocate(operation);
      if (!block.has_value()) break;
      pages_->Hold(live.slot, operation, *block);
      ++live.blocks;
    }
    pages_->Complete(live.slot);
    live_.push_back(live);
  }

  void Destroy() {
    if (live_.empty()) return;
    std::swap(live_[random_.Below(live_.size())], live_.back());
    const Live& live = live_.back();
    if (live.operation.user == kFiles) return;  // files end when their pages are reclaimed
    const std::vector<FrameNumber>& blocks = pages_->objects().blocks(live.slot);
    for (FrameNumber block : blocks) {
      pages_->Release(live.operation, block);
      page_users_[live.operation.user]->Free(live.operation, block);
    }
    pages_->Remove(live.operation);
    live_.pop_back();
  }

  workload::Random random_;
  model::EventCounters events_;
  std::vector<experiment::UserResult> users_ = std::vector<experiment::UserResult>(kUsers);
  std::unique_ptr<model::Machine> machine_ = *model::Machine::Create(
      {.memory = *model::MemoryMap::FromUsableRanges({{16 << 20, 64 << 20}}), .mapping = {}, .cpus = 2});
  std::unique_ptr<policy::CacheType> cache_;
  std::unique_ptr<experiment::LivePages> pages_;
  std::unique_ptr<model::MemoryPressure> pressure_;
  std::unique_ptr<experiment::PageSupply> supply_;
  const std::vector<workload::ObjectTraffic> traffic_ = Traffic();
  std::vector<std::unique_ptr<experiment::PageUser>> page_users_;
  std::vector<Live> live_;
  uint64_t next_object_ = 0;
};

TEST(MemoryPressureProgramTest, InvariantsHoldAfterEveryStepUnderEveryType) {
  model::EventCounters events;
  for (const std::string& type : policy::CacheTypeNames()) {
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      SCOPED_TRACE(::testing::Message() << type << ", seed " << seed);
      Program program(type, seed);
      for (int step = 0; step < 200 && !HasFatalFailure(); ++step) {
        program.Step();
        program.Check();
      }
      events += program.events();
    }
  }
  // The programs did what they are for.
  EXPECT_GT(events.pages_moved, 1000);
  EXPECT_GT(events.pages_reclaimed, 1000);
  EXPECT_GT(events.compact_success, 20);
  EXPECT_GT(events.compact_fail, 5);
  EXPECT_GT(events.shrunk_pages, 100);
}

}  // namespace
}  // namespace dmfrag::tests
