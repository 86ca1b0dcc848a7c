#include "worker/experiment/module_objects.h"

#include <array>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "worker/experiment/call_runner.h"
#include "worker/experiment/user_machine.h"
#include "worker/workload/calls/execmem_calls.h"
#include "worker/workload/calls/vmalloc_calls.h"

namespace dmfrag::experiment {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::KernelRelease;
using workload::ModuleLayout;
using Kind = workload::ModuleMemory;

constexpr std::array<KernelRelease, 6> kReleases = {KernelRelease::k5_17, KernelRelease::k6_1,  KernelRelease::k6_12,
                                                    KernelRelease::k6_16, KernelRelease::k6_18, KernelRelease::k7_3};

// One zone, so that what is free can be used.
model::MemoryMap Memory(uint64_t mib) { return *model::MemoryMap::FromUsableRanges({{16 << 20, (16 + mib) << 20}}); }

class ModuleObjectsTest : public ::testing::TestWithParam<KernelRelease> {
 protected:
  static UserMachine Machine(uint64_t mib = 256) {
    return UserMachine(GetParam(), Memory(mib), workload::ModuleTraffic({}));
  }
  static bool HasRoxCache() { return GetParam() >= KernelRelease::k6_16; }
};
INSTANTIATE_TEST_SUITE_P(Releases, ModuleObjectsTest, ::testing::ValuesIn(kReleases));

// A module of 21 pages by hand: 8 of text, 8 of data, 4 of constants, 1 read-only after init; init: 1 of text, 5 of
// data.
class ModuleByHand {
 public:
  explicit ModuleByHand(UserMachine* on) : machine_(on->machine()), release_(machine_.cpa_release()) {}

  void LoadAndUnload() {
    const bool cached = workload::IsInRoxCache(Kind::kText, release_);
    const bool together = release_ < KernelRelease::k6_12;
    const std::vector<FrameNumber> core = Pages(cached ? 13 : 21);
    if (together) {
      MapTogether(core, {{Kind::kText, 8}, {Kind::kRodata, 4}, {Kind::kRoAfterInit, 1}, {Kind::kData, 8}});
    } else if (cached) {
      Populate();
      Place(Kind::kText, 0, 8);
      Map({{Kind::kData, 8}, {Kind::kRodata, 4}, {Kind::kRoAfterInit, 1}}, core);
    } else {
      Map({{Kind::kText, 8}, {Kind::kData, 8}, {Kind::kRodata, 4}, {Kind::kRoAfterInit, 1}}, core);
    }
    Do(workload::ModuleAllocate(layout_, release_));
    const ModuleLayout core_layout = std::exchange(layout_, {});
    const std::vector<FrameNumber> init = Pages(cached ? 5 : 6);
    if (together) {
      MapTogether(init, {{Kind::kInitText, 1}, {Kind::kInitData, 5}});
    } else if (cached) {
      Place(Kind::kInitText, 8, 1);
      Map({{Kind::kInitData, 5}}, init);
    } else {
      Map({{Kind::kInitText, 1}, {Kind::kInitData, 5}}, init);
    }
    Do(workload::ModuleAllocate(layout_, release_));
    for (const Kind kind : {Kind::kText, Kind::kData, Kind::kRodata, Kind::kRoAfterInit}) {
      layout_[kind] = core_layout[kind];
    }
    Do(workload::ModuleProtect(layout_, release_));
    Do(workload::ModuleProtectAfterInit(layout_, release_));
    Do(workload::ModuleFreeInit(layout_, release_));
    if (together) {
      FreeTogether(init, {layout_[Kind::kInitText].first, layout_[Kind::kInitData].end});
    } else {
      Free({Kind::kInitText, Kind::kInitData});
    }
    GiveBack(init);
    Do(workload::ModuleFreeCore(layout_, release_));
    if (cached) Clean();
    if (together) {
      FreeTogether(core, {layout_[Kind::kText].first, layout_[Kind::kData].end});
    } else {
      Free({Kind::kText, Kind::kRodata, Kind::kRoAfterInit, Kind::kData});
    }
    GiveBack(core);
  }

 private:
  using Sizes = std::vector<std::pair<Kind, uint64_t>>;

  std::vector<FrameNumber> Pages(uint64_t count) {
    std::vector<FrameNumber> pages;
    while (pages.size() < count) {
      pages.push_back(*machine_.allocator().Allocate(model::Order(0), model::Migratetype::kUnmovable));
    }
    return pages;
  }
  void GiveBack(const std::vector<FrameNumber>& pages) {
    for (const FrameNumber page : pages) machine_.allocator().Free(page, model::Order(0));
  }
  void Do(const workload::UserCalls& calls) { EXPECT_EQ(Perform(calls, machine_), model::CpaOutcome::kDone); }

  void Populate() {
    const FrameNumber block = *machine_.allocator().Allocate(model::kPageblockOrder, model::Migratetype::kUnmovable);
    for (uint64_t i = 0; i < 512; ++i) block_.push_back(block + FrameCount(i));
    cache_ = machine_.VmapBlocks(block_);
    Do(workload::ExecmemPopulate(cache_, release_));
  }
  void Place(Kind kind, uint64_t first, uint64_t pages) {
    const model::VirtualPage start = cache_.first + FrameCount(first);
    layout_[kind] = {start, start + FrameCount(pages)};
  }
  void Clean() {
    Do(workload::ExecmemClean({block_.front(), block_.back() + FrameCount(1)}));
    machine_.Vunmap(cache_);
    machine_.allocator().Free(block_.front(), model::kPageblockOrder);
  }

  void Map(const Sizes& sizes, const std::vector<FrameNumber>& pages) {
    size_t first = 0;
    for (const auto& [kind, count] : sizes) {
      frames_[static_cast<size_t>(kind)] = {pages.begin() + static_cast<ptrdiff_t>(first),
                                            pages.begin() + static_cast<ptrdiff_t>(first + count)};
      layout_[kind] = machine_.Vmap(frames_[static_cast<size_t>(kind)]);
      first += count;
    }
  }
  void Free(std::initializer_list<Kind> kinds) {
    for (const Kind kind : kinds) {
      const std::vector<FrameNumber>& frames = frames_[static_cast<size_t>(kind)];
      if (frames.empty()) continue;  // in the ROX cache
      FreeTogether(frames, layout_[kind]);
    }
  }
  void MapTogether(const std::vector<FrameNumber>& pages, const Sizes& sizes) {
    model::VirtualPage page = machine_.Vmap(pages).first;
    for (const auto& [kind, count] : sizes) {
      layout_[kind] = {page, page + FrameCount(count)};
      page = page + FrameCount(count);
    }
  }
  void FreeTogether(const std::vector<FrameNumber>& pages, model::VirtualRange area) {
    Do(workload::VfreeWithPermissionReset(pages, release_));
    machine_.Vunmap(area);
  }

  model::Machine& machine_;
  KernelRelease release_;
  ModuleLayout layout_;
  std::array<std::vector<FrameNumber>, workload::kModuleMemories> frames_;
  std::vector<FrameNumber> block_;
  model::VirtualRange cache_;
};

TEST_P(ModuleObjectsTest, TheCallsAreThoseOfTheKernel) {
  UserMachine run = Machine();
  ASSERT_TRUE(run.Make(0, 21));
  run.End(0);
  UserMachine expected = Machine();
  ModuleByHand(&expected).LoadAndUnload();
  EXPECT_EQ(run.requests(), expected.requests());
  EXPECT_EQ(run.events(), expected.events());
  EXPECT_GT(run.requests().size(), 50U);
}

TEST_P(ModuleObjectsTest, TextAndConstantsAreReadOnlyAsLongAsItIsLoaded) {
  UserMachine machine = Machine();
  ASSERT_TRUE(machine.Make(0, 21));
  // Text is 8 pages, constants 5. A block of the ROX cache is read-only as a whole.
  EXPECT_EQ(machine.PagesWithout(model::EntryFlags(model::EntryFlags::kWritable)), HasRoxCache() ? 512U + 5U : 13U);
  EXPECT_EQ(machine.PagesWithout(model::EntryFlags(model::EntryFlags::kPresent)), 0U);
  EXPECT_EQ(machine.pages(0).size(), HasRoxCache() ? 13U : 21U);  // init memory is gone
  EXPECT_EQ(machine.user().other_pages(), HasRoxCache() ? 512 : 0);
  machine.End(0);
  machine.ExpectNothingIsLeft();
}

TEST_P(ModuleObjectsTest, NothingIsLeftOfManyModules) {
  UserMachine machine = Machine();
  constexpr uint64_t kModules = 60;
  for (uint64_t object = 0; object < kModules; ++object) ASSERT_TRUE(machine.Make(object, object * object % 97));
  for (uint64_t object = 0; object < kModules; object += 2) machine.End(object);
  for (uint64_t object = 0; object < kModules; object += 2) ASSERT_TRUE(machine.Make(object, object * 7 % 89));
  for (uint64_t object = 0; object < kModules; ++object) machine.End(kModules - 1 - object);
  machine.ExpectNothingIsLeft();
}

TEST_P(ModuleObjectsTest, NothingIsLeftOfALoadThatFindsNoMemory) {
  int loaded = 0;
  int failed = 0;
  for (uint64_t pages = 0; pages < 700; pages += 6) {
    UserMachine machine = Machine(/*mib=*/64);
    machine.FillBut(pages);
    if (machine.Make(0, 40)) {
      ++loaded;
    } else {
      ++failed;
    }
    machine.End(0);
    machine.ExpectNothingIsLeft();
  }
  EXPECT_GT(loaded, 0);
  EXPECT_GT(failed, 5);
}

// The first module splits the block that its pages are in, and from 6.15 on that of the cache too, when text is written
// to; later ones find both split.
TEST_P(ModuleObjectsTest, SplitsAreFew) {
  UserMachine machine = Machine();
  ASSERT_TRUE(machine.Make(0, 40));
  EXPECT_EQ(machine.events().splits_2m, HasRoxCache() ? 2 : 1);
  for (uint64_t object = 1; object < 8; ++object) ASSERT_TRUE(machine.Make(object, 40));
  EXPECT_EQ(machine.events().splits_2m, HasRoxCache() ? 2 : 1);
  EXPECT_EQ(machine.events().collapses_2m, 0);
  EXPECT_EQ(machine.events().vmalloc_collapses_2m > 0, HasRoxCache());
}

TEST_P(ModuleObjectsTest, TextLargerThanABlockHasBlocksOfItsOwn) {
  UserMachine machine = Machine();
  ASSERT_TRUE(machine.Make(0, 2000));  // 800 pages of text
  EXPECT_EQ(machine.user().other_pages(), HasRoxCache() ? 1024 : 0);
  ASSERT_TRUE(machine.Make(1, 100));  // behind it
  EXPECT_EQ(machine.user().other_pages(), HasRoxCache() ? 1024 : 0);
  machine.End(0);
  machine.End(1);
  machine.ExpectNothingIsLeft();
}

}  // namespace
}  // namespace dmfrag::experiment
