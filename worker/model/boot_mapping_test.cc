#include "worker/model/boot_mapping.h"

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::model {
namespace {

constexpr uint64_t kMib = uint64_t{1} << 20;
constexpr uint64_t kGib = uint64_t{1} << 30;

BootMachine Machine(MemoryMap memory) {
  return {.release = KernelRelease::k6_12,
          .memory = std::move(memory),
          .rules = {},
          .image = {},
          .initrd = {},
          .moved_initrd = {},
          .nodes = {}};
}

DirectMap MapOf(const BootMachine& machine) {
  return DirectMap::Boot(machine.memory, machine.rules, EntryFlags::PageKernel());
}

// What the counters have beyond the entries there are.
LeafCounts Extra(const BootMachine& machine) {
  const DirectMap map = MapOf(machine);
  const DirectMapCounters counters = CountBootMapping(machine, map);
  return {counters.pages_4k - map.counts().pages_4k, counters.pages_2m - map.counts().pages_2m,
          counters.pages_1g - map.counts().pages_1g};
}

TEST(CountBootMappingTest, ATopmost1GPageIsCountedThreeTimes) {
  // 2M of it first, the rest of its upper half second, the lower half with all below third.
  EXPECT_EQ(Extra(Machine(*MemoryMap::Pc(4 * kGib))), (LeafCounts{0, 0, 2}));
  EXPECT_EQ(Extra(Machine(*MemoryMap::Pc(64 * kGib))), (LeafCounts{0, 0, 2}));
}

TEST(CountBootMappingTest, StepsGrowFrom2MTo512MTo128G) {
  // To 201 GiB: the third step reaches from 200.5 down to 128 GiB, between two pages.
  EXPECT_EQ(Extra(Machine(*MemoryMap::Pc(200 * kGib))), (LeafCounts{0, 0, 2}));
  // To 5.25 GiB: the first step of 512M finds 256M, which is too little for a larger one; the second cuts the page at 4
  // GiB in two.
  EXPECT_EQ(Extra(Machine(*MemoryMap::Pc(4 * kGib + 256 * kMib))), (LeafCounts{0, 0, 1}));
}

TEST(CountBootMappingTest, With2MPagesAloneNothingIsMetAgain) {
  BootMachine machine = Machine(*MemoryMap::Pc(4 * kGib));
  machine.rules.gbpages = false;
  EXPECT_EQ(Extra(machine), (LeafCounts{}));
  EXPECT_EQ(Extra(Machine(*MemoryMap::Pc(3 * kGib - 152 * 1024))), (LeafCounts{}));
}

TEST(CountBootMappingTest, AReservedTopIsMappedLastAndMetAgain) {
  // The RAM disk ends where memory does, in a whole GiB: the topmost free 2M lies under it.
  BootMachine machine = Machine(*MemoryMap::FromUsableRanges({{0, 2 * kGib}}));
  machine.initrd = FrameRange{FrameNumber(2 * kGib / kFrameBytes - 700), FrameNumber(2 * kGib / kFrameBytes)};
  EXPECT_EQ(Extra(machine), (LeafCounts{0, 0, 3})) << "once more for what is above it";
}

TEST(CountBootMappingTest, MemoryWithoutAFree2MStillIsCountedOnce) {
  EXPECT_EQ(Extra(Machine(*MemoryMap::FromUsableRanges({{0, 640 * 1024}, {kMib, 3 * kMib}}))), (LeafCounts{}));
  EXPECT_EQ(Extra(Machine(*MemoryMap::FromUsableRanges({{0, 640 * 1024}}))), (LeafCounts{}));
}

KernelImage Image() {
  const VirtualPage text(0xffffffff81000);
  return {.first_frame = FrameNumber(4096),
          .text = text,
          .text_end = text + FrameCount(0xe02),
          .rodata_end = text + FrameCount(0x18eb),
          .data = text + FrameCount(0x1a00),
          .init_begin = text + FrameCount(0x2044),
          .init_end = text + FrameCount(0x2306),
          .bss = text + FrameCount(0x2310),
          .idt_table = text + FrameCount(0x2313),
          .bss_end = text + FrameCount(0x3400),
          .end = text + FrameCount(0x3430)};
}

TEST(PredictBootMappingTest, Prediction05SplitsAtBootAreInMeminfoAndNotInVmstat) {
  BootMachine machine = Machine(*MemoryMap::Pc(4 * kGib));
  machine.release = KernelRelease::k6_1;
  machine.image = Image();
  const BootMapping boot = PredictBootMapping(machine);
  EXPECT_OK(boot.map.CheckInvariants());
  const LeafCounts rule = MapOf(machine).counts();
  // Three blocks of the image, two of code; the second of these lies in the topmost 1G page, and so does the first.
  EXPECT_EQ(boot.map.counts(), (LeafCounts{rule.pages_4k + 5 * 512, rule.pages_2m + 512 - 5, rule.pages_1g - 1}));
  // Five more of the image's own mapping.
  EXPECT_EQ(boot.counters.pages_4k, rule.pages_4k + 10 * 512);
  EXPECT_EQ(boot.counters.pages_2m, rule.pages_2m + 512 - 10);
  EXPECT_EQ(boot.counters.pages_1g, rule.pages_1g + 2 - 1);
  EXPECT_EQ(boot.counters.level2_splits, 0u);
  EXPECT_EQ(boot.counters.level3_splits, 0u);
  EXPECT_TRUE(boot.counters.system_running);
}

TEST(PredictBootMappingTest, AnImageInAWholeGibSplitsIt) {
  BootMachine machine = Machine(*MemoryMap::Pc(3 * kGib));
  machine.image = Image();
  const uint64_t low = PredictBootMapping(machine).map.counts().pages_1g;
  machine.image->first_frame = FrameNumber(kFramesPer1G.raw() + 0x22400);
  EXPECT_EQ(PredictBootMapping(machine).map.counts().pages_1g, low - 1);
}

// Prediction 32 of the domain notes, for the predicted boot.
TEST(PredictBootMappingTest, Prediction32DebugPageallocLeavesNoLargePageToSplit) {
  BootMachine machine = Machine(*MemoryMap::Pc(8 * kGib));
  machine.image = Image();
  machine.rules.debug_pagealloc = true;
  const BootMapping boot = PredictBootMapping(machine);
  EXPECT_EQ(boot.counters.kib_2m(), 0u);
  EXPECT_EQ(boot.counters.kib_1g(), 0u);
  // The image's own mapping is split all the same, which a count of 0 does not show.
  EXPECT_EQ(boot.counters.pages_4k, MapOf(machine).counts().pages_4k);
  EXPECT_EQ(boot.map.counts(), MapOf(machine).counts());
  EXPECT_EQ(boot.counters.level2_splits, 0u);
}

TEST(PredictBootMappingTest, Prediction32NogbpagesLeavesNo1GPageToSplit) {
  BootMachine machine = Machine(*MemoryMap::Pc(8 * kGib));
  machine.image = Image();
  machine.rules.gbpages = false;
  const BootMapping boot = PredictBootMapping(machine);
  EXPECT_EQ(boot.counters.kib_1g(), 0u);
  EXPECT_EQ(boot.counters.level3_splits, 0u);
  EXPECT_EQ(boot.map.counts().pages_1g, 0u);
  EXPECT_GT(boot.counters.kib_2m(), 0u);
}

TEST(PredictBootMappingTest, PageIsolationTakesGlobalAway) {
  BootMachine machine = Machine(*MemoryMap::Pc(kGib));
  EXPECT_TRUE(PredictBootMapping(machine).map.Lookup(FrameNumber(0))->flags.Has(EntryFlags::kGlobal));
  machine.page_isolation = true;
  EXPECT_FALSE(PredictBootMapping(machine).map.Lookup(FrameNumber(0))->flags.Has(EntryFlags::kGlobal));
}

TEST(PredictBootMappingTest, A64TibMachineBootsAtOnce) {
  BootMachine machine = Machine(*MemoryMap::Pc(64 * 1024 * kGib));
  machine.image = Image();
  const BootMapping boot = PredictBootMapping(machine);
  EXPECT_EQ(boot.map.counts().pages_1g + 3, MapOf(machine).counts().pages_1g + 1);
}

}  // namespace
}  // namespace dmfrag::model
