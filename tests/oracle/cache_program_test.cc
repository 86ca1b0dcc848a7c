// Random programs of users under every cache type, with every invariant checked after each step.
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/experiment/make_page_user.h"
#include "worker/policy/registry.h"
#include "worker/workload/ordinary.h"
#include "worker/workload/random.h"
#include "worker/workload/secretmem.h"

namespace dmfrag::tests {
namespace {

using model::EntryFlags;
using model::FrameNumber;
using model::Order;
using workload::Operation;

struct Live {
  FrameNumber block;
  Operation operation;
  bool secret = false;
};

class Program {
 public:
  Program(const std::string& cache, uint64_t seed) : random_(seed) {
    machine_ = *model::Machine::Create(
        {.memory = *model::MemoryMap::FromUsableRanges({{16 << 20, 80 << 20}}), .mapping = {}, .cpus = 2});
    machine_->ChargeTo(&events_);
    policy::CacheConfig config;
    config.type = cache;
    config.options.refill_order = Order(static_cast<unsigned>(random_.Below(10)));
    cache_ = *policy::MakeCache(config, machine_.get());
    supply_ = std::make_unique<experiment::PageSupply>(machine_.get(), cache_.get());
    packs_ = std::make_unique<experiment::PackPools>(supply_.get());
    secretmem_ = experiment::MakePageUser(workload::SecretmemTraffic({}), supply_.get(), packs_.get());
    ordinary_ = experiment::MakePageUser(workload::OrdinaryTraffic({}), supply_.get(), packs_.get());
  }

  void Step() {
    const uint64_t choice = random_.Below(20);
    if (choice < 11) {
      Allocate();
    } else if (choice < 19) {
      Free();
    } else {
      cache_->Shrink(model::FrameCount(random_.Below(300)));
    }
  }

  void Check() {
    ASSERT_OK(machine_->CheckInvariants());
    ASSERT_OK(cache_->CheckInvariants());
    uint64_t pages = 0;
    std::set<FrameNumber> taken;
    for (const Live& live : live_) {
      pages += live.operation.order.frames().raw();
      for (model::FrameCount i; i < live.operation.order.frames(); i += model::FrameCount(1)) {
        ASSERT_TRUE(taken.insert(live.block + i).second) << "a frame has two owners";
        // Ordinary users get present, writable pages; a secret page is neither.
        const EntryFlags flags = machine_->direct_map().Lookup(live.block + i)->flags;
        ASSERT_EQ(flags.Has(EntryFlags::kPresent), !live.secret);
        ASSERT_EQ(flags.Has(EntryFlags::kWritable), !live.secret);
      }
    }
    // Every page given out is a user's, idle in the cache, or a page table of a split.
    ASSERT_EQ(machine_->allocator().allocated_frames().raw(),
              pages + cache_->idle_pages().raw() + static_cast<uint64_t>(events_.table_pages));
  }

 private:
  void Allocate() {
    Operation operation;
    const bool secret = random_.Below(2) == 0;
    if (!secret) {
      operation.type = static_cast<model::Migratetype>(random_.Below(3));
      operation.order = Order(static_cast<unsigned>(random_.Below(8) == 0 ? random_.Below(6) : 0));
    }
    for (uint64_t left = 1 + random_.Below(200); left > 0; --left) {
      const auto block = (secret ? secretmem_ : ordinary_)->Allocate(operation);
      if (!block.has_value()) return;
      live_.push_back({*block, operation, secret});
    }
  }

  void Free() {
    for (uint64_t left = std::min<uint64_t>(live_.size(), 1 + random_.Below(200)); left > 0; --left) {
      std::swap(live_[random_.Below(live_.size())], live_.back());
      (live_.back().secret ? secretmem_ : ordinary_)->Free(live_.back().operation, live_.back().block);
      live_.pop_back();
    }
  }

  workload::Random random_;
  model::EventCounters events_;
  std::unique_ptr<model::Machine> machine_;
  std::unique_ptr<policy::CacheType> cache_;
  std::unique_ptr<experiment::PageSupply> supply_;
  std::unique_ptr<experiment::PackPools> packs_;
  std::unique_ptr<experiment::PageUser> secretmem_;
  std::unique_ptr<experiment::PageUser> ordinary_;
  std::vector<Live> live_;
};

TEST(CacheProgramTest, InvariantsHoldAfterEveryStepUnderEveryType) {
  for (const std::string& type : policy::CacheTypeNames()) {
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      SCOPED_TRACE(::testing::Message() << type << ", seed " << seed);
      Program program(type, seed);
      for (int step = 0; step < 150 && !HasFatalFailure(); ++step) {
        program.Step();
        program.Check();
      }
    }
  }
}

}  // namespace
}  // namespace dmfrag::tests
