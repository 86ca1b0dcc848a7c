// Random programs of users under every cache type, with random options, on a machine that is too small for them, with
// every invariant checked after each step.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/experiment/coalesce_restorer.h"
#include "worker/experiment/live_pages.h"
#include "worker/experiment/make_page_user.h"
#include "worker/experiment/pack_pool.h"
#include "worker/experiment/page_supply.h"
#include "worker/model/memory_pressure.h"
#include "worker/policy/registry.h"
#include "worker/workload/bpf.h"
#include "worker/workload/module.h"
#include "worker/workload/object_traffic.h"
#include "worker/workload/page_tables.h"
#include "worker/workload/random.h"
#include "worker/workload/secretmem.h"
#include "worker/workload/xpfo.h"

namespace dmfrag::tests {
namespace {

using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using model::KernelRelease;
using model::Migratetype;
using model::Order;
using policy::CacheOptions;
using workload::Operation;

// Users of the mix.
enum User : uint32_t { kSecrets, kXpfo, kPageTables, kBpf, kModules, kMovable, kUnmovable, kBlocks, kUsers };

struct Setup {
  model::MachineConfig machine;
  policy::CacheConfig cache;
  bool has_code = false;     // some of the pages of packs and modules are where the test does not look for them
  bool all_movable = false;  // of users of permissions, those alone whose pages the cache may move
};

// What proto/dmfrag/v1/cache.proto allows, and nothing that it refuses.
class Chooser {
 public:
  explicit Chooser(workload::Random* random) : random_(random) {}

  Setup Choose(const std::string& type) {
    const CacheOptions options = OptionsOf(type);
    Setup setup = {.machine = {.memory = Memory(options.per_node),
                               .mapping = {.debug_pagealloc = type == "debug_pagealloc"},
                               .cpus = 2,
                               .numa_nodes = options.per_node ? 2U : 1U,
                               .cpa_release = Pick({KernelRelease::k5_17, KernelRelease::k6_12, KernelRelease::k7_3}),
                               .restore_global = options.restore_global,
                               .restore_dirty = options.restore_global},
                   .cache = {.type = type, .options = options},
                   .has_code = Flip(),
                   .all_movable = random_->Below(3) == 0};
    setup.has_code = setup.has_code && !setup.all_movable;
    if (!options.tables_from_cache) {
      setup.machine.table_source = Pick(
          {model::TableSourceKind::kBuddy, model::TableSourceKind::kBootReserve, model::TableSourceKind::kGrouped});
    }
    return setup;
  }

 private:
  using Restore = CacheOptions::Restore;
  using Entry = CacheOptions::Entry;
  using FreePath = CacheOptions::FreePath;
  using AtomicMiss = CacheOptions::AtomicMiss;
  using Placement = CacheOptions::Placement;

  CacheOptions OptionsOf(const std::string& type) {
    CacheOptions options;
    const bool per_user = type == "per_user";
    const bool has_lists = type == "global" || per_user;
    const bool is_unmapped = type == "unmapped_buddy" || type == "hierarchical";
    const bool has_free_lists = type == "migratetype" || type == "freetype";
    if (type == "none") options.restore = Pick({Restore::kNever, Restore::kOnCoalesce});
    if (type == "migratetype") options.restore = Pick({Restore::kNever, Restore::kOnCoalesce, Restore::kCollapse});
    if (has_lists || is_unmapped) {
      options.restore = Pick({Restore::kNever, Restore::kOnShrink, Restore::kOnCoalesce, Restore::kCollapse});
      options.refill_order = Order(Flip() ? 9 : static_cast<unsigned>(random_->Below(10)));
      options.shrink_below_free_per_mille = Pick<uint64_t>({0, 10, 400});
      options.tables_from_cache = Flip();
    }
    options.restore_global = Flip();
    if (has_lists || is_unmapped || type == "rox_pack" || type == "freetype") {
      options.placement = Pick({Placement::kAny, Placement::kPreferSplitGib, Placement::kBoundedRegion});
      options.region_per_mille = 1 + static_cast<uint32_t>(random_->Below(1000));
    }
    if (is_unmapped) options.entry = Pick({Entry::kNotPresent, Entry::kNotPresent2M});
    if (is_unmapped || has_free_lists) options.atomic_miss = Pick({AtomicMiss::kDeny, AtomicMiss::kSinglePage});
    if (has_lists) {
      options.entry = Pick({Entry::kRw4K, Entry::kNotPresent, Entry::kNotPresent2M, Entry::kMapped});
      options.atomic_miss = Pick({AtomicMiss::kDeny, AtomicMiss::kReserve, AtomicMiss::kSinglePage});
      options.atomic_reserve_pages = 1 + static_cast<uint32_t>(random_->Below(100));
      options.per_node = random_->Below(4) == 0;
      options.free_path = Pick({FreePath::kDedicatedApi, FreePath::kBackPointer, FreePath::kGatherBatch});
      if (!per_user && Flip()) options.free_path = FreePath::kDivert;
      options.prepopulate = !per_user && Flip();
    }
    if (type == "hierarchical") {
      options.category_two_batch = 1 + static_cast<uint32_t>(random_->Below(100));
      options.category_two_high = 1 + static_cast<uint32_t>(random_->Below(200));
    }
    return options;
  }

  // Nodes begin at multiples of 128 MiB.
  static model::MemoryMap Memory(bool two_nodes) {
    constexpr uint64_t kMiB = 1 << 20;
    if (!two_nodes) return *model::MemoryMap::FromUsableRanges({{16 * kMiB, 56 * kMiB + 512 * 1024}});
    return *model::MemoryMap::FromUsableRanges({{104 * kMiB, 128 * kMiB}, {128 * kMiB, 152 * kMiB}});
  }

  bool Flip() { return random_->Below(2) == 0; }
  template <typename Choice>
  Choice Pick(std::initializer_list<Choice> choices) {
    return *(choices.begin() + random_->Below(choices.size()));
  }

  workload::Random* random_;
};

std::string Describe(const CacheOptions& options) {
  return "refill " + std::to_string(options.refill_order.raw()) + ", restore " +
         std::to_string(static_cast<int>(options.restore)) + (options.restore_global ? " global" : "") +
         ", placement " + std::to_string(static_cast<int>(options.placement)) + ", entry " +
         std::to_string(static_cast<int>(options.entry)) + ", free path " +
         std::to_string(static_cast<int>(options.free_path)) + ", atomic miss " +
         std::to_string(static_cast<int>(options.atomic_miss)) + (options.per_node ? ", per node" : "") +
         (options.tables_from_cache ? ", tables from cache" : "") + (options.prepopulate ? ", prepopulated" : "");
}

// A user's object, as the test knows it.
struct Live {
  Operation operation;
  experiment::ObjectTable::Slot slot;
};

bool HasShrinker(const std::string& type) {
  return type == "global" || type == "per_user" || type == "unmapped_buddy" || type == "hierarchical";
}

class Program {
 public:
  Program(const std::string& type, uint64_t seed)
      : random_(seed), setup_(Chooser(&random_).Choose(type)), machine_(*model::Machine::Create(setup_.machine)) {
    machine_->ChargeTo(&events_);
    cache_ = *policy::MakeCache(setup_.cache, machine_.get());
    pages_ = std::make_unique<experiment::LivePages>(machine_.get(), cache_.get(), traffic_, &users_);
    cache_->SetLivePages(pages_.get());
    pressure_ = std::make_unique<model::MemoryPressure>(machine_.get(), pages_.get());
    if (setup_.cache.options.restore == CacheOptions::Restore::kOnCoalesce) restorer_.emplace(machine_.get());
    shared_ = std::make_unique<experiment::PageSupply>(machine_.get(), cache_.get(), pressure_.get(),
                                                       policy::CacheUser{.number = kUsers});
    packs_ = std::make_unique<experiment::PackPools>(shared_.get());
    for (uint32_t user = 0; user < kUsers; ++user) AddUser(user);
  }

  void Step() {
    machine_->allocator().RunOn(static_cast<uint32_t>(random_.Below(2)));
    const uint64_t choice = random_.Below(40);
    if (choice % 10 == 0) cache_->Shrink(FrameCount(random_.Below(1500)));
    const bool creates = choice < (growing_ ? 28U : 12U);
    for (uint64_t left = random_.Below(30); left > 0; --left) {
      if (!creates) {
        Destroy();
      } else if (!Create()) {
        growing_ = false;
      }
    }
    if (live_.size() < 20) growing_ = true;
    PassTime();
  }

  void FreeAll() {
    while (!live_.empty()) Destroy();
    // What is restored gives its page table back, to the cache if it came from there.
    for (int round = 0; round < 4; ++round) {
      PassTime();
      while (cache_->Shrink(FrameCount(1000)) > FrameCount(0)) {
      }
    }
  }

  void Check() {
    ASSERT_OK(machine_->CheckInvariants());
    ASSERT_OK(cache_->CheckInvariants());
    std::set<FrameNumber> taken;
    uint64_t not_present = 0;
    uint64_t read_only = 0;
    for (const Live& live : live_) {
      for (const FrameNumber block : pages_->objects().blocks(live.slot)) {
        CheckBlock(live.operation, block, taken);
        if (live.operation.user <= kXpfo) ++not_present;
        if (live.operation.user == kPageTables) ++read_only;
      }
    }
    // Every page given out is a user's, idle in the cache, or a page table of the direct map or of a pack.
    uint64_t others = Tables() + machine_->FreeTables().size();
    for (const auto& user : page_users_) others += static_cast<uint64_t>(user->other_pages());
    const uint64_t idle = cache_->idle_pages().raw();
    ASSERT_EQ(machine_->allocator().allocated_frames().raw(), taken.size() + idle + others);
    if (!setup_.has_code) CheckEntries(not_present, read_only, idle);
  }

  // Only what cannot go back is left.
  void CheckEmpty() {
    const CacheOptions& options = setup_.cache.options;
    // Of a list each: one for every user, for packs, and for page tables.
    const uint64_t reserves = (kUsers + 2) * setup_.machine.numa_nodes * options.atomic_reserve_pages;
    const bool has_reserve = options.atomic_miss == CacheOptions::AtomicMiss::kReserve;
    if (HasShrinker(setup_.cache.type)) {
      ASSERT_LE(cache_->idle_pages().raw(), has_reserve ? reserves : 0);
    }
    for (const auto& user : page_users_) ASSERT_EQ(user->other_pages(), 0);
  }

  const Setup& setup() const { return setup_; }
  const model::EventCounters& events() const { return events_; }

 private:
  static std::vector<workload::ObjectTraffic> Traffic() {
    std::vector<workload::ObjectTraffic> traffic(kUsers);
    traffic[kSecrets] = workload::SecretmemTraffic({});
    traffic[kXpfo] = workload::XpfoTraffic({});
    traffic[kPageTables] = workload::PageTablesTraffic({});
    traffic[kBpf] = workload::BpfTraffic({});
    traffic[kModules] = workload::ModuleTraffic({});
    traffic[kMovable].type = Migratetype::kMovable;
    traffic[kBlocks].order = Order(1);
    return traffic;
  }

  void AddUser(uint32_t user) {
    policy::CacheUser as_cache = {.number = user};
    if (const workload::Permission* permission = traffic_[user].permission) {
      as_cache.category_two = permission->category == workload::Permission::Category::kTwo;
      as_cache.zeroes_new = permission->zeroes_new;
      as_cache.zeroes_freed = permission->zeroes_freed;
    }
    supplies_.push_back(
        std::make_unique<experiment::PageSupply>(machine_.get(), cache_.get(), pressure_.get(), as_cache));
    page_users_.push_back(experiment::MakePageUser(traffic_[user], supplies_.back().get(), packs_.get()));
    pages_->Add(page_users_.back().get());
  }

  Operation OperationOf(uint32_t user) {
    Operation operation = {.user = user, .object = next_object_++, .allocations = 1 + random_.Below(60)};
    operation.type = traffic_[user].type;
    operation.can_sleep = random_.Below(5) != 0;
    operation.detail = 64 + random_.Below(8000);
    if (user == kBlocks) {
      operation.order = Order(1 + static_cast<unsigned>(random_.Below(9)));
      operation.type = static_cast<Migratetype>(random_.Below(3));
      operation.allocations = 1;
    }
    return operation;
  }

  // False: no memory.
  bool Create() {
    const auto user = static_cast<uint32_t>(random_.Below(kUsers));
    if ((user == kBpf || user == kModules) && !setup_.has_code) return true;
    if ((user == kSecrets || user == kPageTables) && setup_.all_movable) return true;
    const Operation operation = OperationOf(user);
    const experiment::ObjectTable::Slot slot = pages_->Create(operation);
    experiment::PageUser& page_user = *page_users_[user];
    bool done = true;
    for (uint64_t left = page_user.AllocationsOf(operation); done && left > 0; --left) {
      const auto block = page_user.Allocate(operation);
      done = block.has_value();
      if (done) pages_->Hold(slot, operation, *block);
    }
    const bool keeps =
        (done || page_user.keeps_parts()) && page_user.Protect(operation, pages_->objects().blocks(slot));
    if (!keeps) {
      for (const FrameNumber block : pages_->objects().blocks(slot)) FreeBlock(operation, block);
      pages_->Clear(slot);
    }
    pages_->Complete(slot);
    live_.push_back({operation, slot});
    return done && keeps;
  }

  void Destroy() {
    if (live_.empty()) return;
    std::swap(live_[random_.Below(live_.size())], live_.back());
    const Operation operation = live_.back().operation;
    const std::vector<FrameNumber>& blocks = pages_->objects().blocks(live_.back().slot);
    page_users_[operation.user]->Unprotect(operation, blocks);
    for (const FrameNumber block : blocks) FreeBlock(operation, block);
    pages_->Remove(operation);
    live_.pop_back();
  }

  void FreeBlock(const Operation& operation, FrameNumber block) {
    pages_->Release(operation, block);
    page_users_[operation.user]->Free(operation, block);
  }

  void PassTime() {
    now_ = now_.AfterUs(random_.Below(2 * experiment::CoalesceRestorer::kDelayUs));
    if (restorer_.has_value()) restorer_->PassTime(now_);
  }

  void CheckBlock(const Operation& operation, FrameNumber block, std::set<FrameNumber>& taken) {
    for (FrameCount i; i < operation.order.frames(); i += FrameCount(1)) {
      ASSERT_TRUE(taken.insert(block + i).second) << "frame " << (block + i).raw() << " has two owners";
      const EntryFlags flags = machine_->direct_map().Lookup(block + i)->flags;
      const bool is_present = flags.Has(EntryFlags::kPresent);
      if (operation.user <= kXpfo) {
        ASSERT_FALSE(is_present) << "frame " << (block + i).raw() << " of user " << operation.user;
      } else if (operation.user == kPageTables) {
        ASSERT_TRUE(is_present);
        ASSERT_FALSE(flags.Has(EntryFlags::kWritable));
      } else if (operation.user >= kMovable) {
        ASSERT_TRUE(is_present && flags.Has(EntryFlags::kWritable))
            << "frame " << (block + i).raw() << " of user " << operation.user;
      }
    }
  }

  // Nothing but what users protect and caches keep is not present, or read-only: no free page, for one.
  void CheckEntries(uint64_t not_present, uint64_t read_only, uint64_t idle) {
    uint64_t found_not_present = 0;
    uint64_t found_read_only = 0;
    machine_->direct_map().ForEachRun([&](const model::LeafRun& run) {
      if (!run.flags.Has(EntryFlags::kPresent)) {
        found_not_present += run.frames.raw();
      } else if (!run.flags.Has(EntryFlags::kWritable)) {
        found_read_only += run.frames.raw();
      }
    });
    const bool keeps_permission = setup_.cache.type == "hierarchical";
    const bool is_unmapped = cache_->StateOnAllocate({}) == policy::PageState::kNotPresent;
    if (keeps_permission) {
      ASSERT_GE(found_read_only, read_only);
      ASSERT_EQ(found_not_present + found_read_only, not_present + read_only + idle);
    } else {
      ASSERT_EQ(found_read_only, read_only);
      ASSERT_EQ(found_not_present, not_present + (is_unmapped ? idle : 0));
    }
  }

  uint64_t Tables() const {
    return static_cast<uint64_t>(events_.table_pages - events_.collapses_2m - events_.collapses_1g -
                                 events_.vmalloc_collapses_2m);
  }

  workload::Random random_;
  const Setup setup_;
  model::EventCounters events_;
  std::vector<experiment::UserResult> users_ = std::vector<experiment::UserResult>(kUsers);
  std::unique_ptr<model::Machine> machine_;
  std::unique_ptr<policy::CacheType> cache_;
  std::unique_ptr<experiment::LivePages> pages_;
  std::unique_ptr<model::MemoryPressure> pressure_;
  std::optional<experiment::CoalesceRestorer> restorer_;
  std::unique_ptr<experiment::PageSupply> shared_;
  std::unique_ptr<experiment::PackPools> packs_;
  const std::vector<workload::ObjectTraffic> traffic_ = Traffic();
  std::vector<std::unique_ptr<experiment::PageSupply>> supplies_;
  std::vector<std::unique_ptr<experiment::PageUser>> page_users_;
  std::vector<Live> live_;
  bool growing_ = true;
  uint64_t next_object_ = 0;
  workload::SimTime now_;
};

class CacheProgramTest : public ::testing::TestWithParam<std::string> {};

TEST_P(CacheProgramTest, Prediction25NoFreePageIsProtectedAndInvariantsHoldWhateverTheOptions) {
  model::EventCounters events;
  for (uint64_t seed = 1; seed <= 100 && !HasFatalFailure(); ++seed) {
    Program program(GetParam(), seed);
    SCOPED_TRACE(::testing::Message() << "seed " << seed << ": " << Describe(program.setup().cache.options));
    for (int step = 0; step < 60 && !HasFatalFailure(); ++step) {
      SCOPED_TRACE(::testing::Message() << "step " << step);
      program.Step();
      program.Check();
    }
    if (HasFatalFailure()) return;
    program.FreeAll();
    program.Check();
    program.CheckEmpty();
    events += program.events();
  }
  // The programs did what they are for.
  EXPECT_GT(events.vmalloc_splits_2m, 100);
  if (HasShrinker(GetParam())) {
    EXPECT_GT(events.shrunk_pages, 10000);
    EXPECT_GT(events.cache_pages_migrated, 0);
    EXPECT_GT(events.refill_recursions, 0);
    EXPECT_GT(events.atomic_denials, 0);
    EXPECT_GT(events.blocks_restored, 0);
    EXPECT_GT(events.restores_blocked, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CacheProgramTest, ::testing::ValuesIn(policy::CacheTypeNames()),
                         [](const auto& type) { return type.param; });

}  // namespace
}  // namespace dmfrag::tests
