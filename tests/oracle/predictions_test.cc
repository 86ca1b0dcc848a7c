// Predictions 1 to 17 and 32 of the project's domain notes about the direct map and CPA, by their numbers: what follows
// from the kernel's source, in numbers that a reader can check. Where captures of real kernels say otherwise the test
// follows the kernel, and its comment says so. What 5 and 32 say of the boot itself is in
// worker/model/boot_mapping_test.cc.
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/attribute_changer.h"
#include "worker/model/machine.h"

namespace dmfrag::tests {
namespace {

using model::AttributeRequest;
using model::CollapseDesign;
using model::CpaOutcome;
using model::CpaRules;
using model::DirectMap;
using model::DirectMapCounters;
using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using model::KernelRelease;
using model::Machine;
using model::MapLevel;
using model::MemoryMap;
using model::VirtualMap;
using model::VirtualPage;

constexpr EntryFlags kFlags = EntryFlags::PageKernel();
constexpr EntryFlags kPresent(EntryFlags::kPresent);
constexpr EntryFlags kWritable(EntryFlags::kWritable);
constexpr EntryFlags kPresentWritable(EntryFlags::kPresent | EntryFlags::kWritable);
constexpr EntryFlags kRoxCleared(EntryFlags::kWritable | EntryFlags::kDirty | EntryFlags::kNoExecute);
constexpr FrameNumber k2MPage(512);     // the first of 511 pages of 2M
constexpr FrameNumber k1GPage(262144);  // the first of two pages of 1G
constexpr VirtualPage kArea{0xffffffffc0200};

class CountedTables : public model::TablePageSource {
 public:
  std::optional<FrameNumber> TakeTable(MapLevel, FrameNumber) override {
    if (left == 0) return std::nullopt;
    --left;
    return FrameNumber(100000000 + ++taken);
  }
  void ReturnTable(FrameNumber) override { ++returned; }
  uint64_t left = ~uint64_t{0};
  int64_t taken = 0;
  int64_t returned = 0;
};

// A PC of 3 GiB with four processors.
class Prediction : public ::testing::Test {
 protected:
  explicit Prediction(const CpaRules& rules = CpaRules::Of(KernelRelease::k6_12))
      : map_(DirectMap::Boot(*MemoryMap::Pc(uint64_t{3} << 30), {}, kFlags)),
        counters_(DirectMapCounters::Of(map_)),
        changer_(&map_, &counters_, &tables_, model::TlbFlushes(4), rules),
        boot_(counters_) {}

  CpaOutcome Ask(FrameNumber first, uint64_t pages, AttributeRequest request) {
    request.range = {first, first + FrameCount(pages)};
    return changer_.Change(request, events_);
  }
  CpaOutcome Clear(FrameNumber first, uint64_t pages, EntryFlags flags) { return Ask(first, pages, {.clear = flags}); }
  CpaOutcome Set(FrameNumber first, uint64_t pages, EntryFlags flags) { return Ask(first, pages, {.set = flags}); }
  CpaOutcome Force4K(FrameNumber first, uint64_t pages) { return Ask(first, pages, {.force_4k = true}); }
  CpaOutcome Rox(FrameNumber first, uint64_t pages) {
    return Ask(first, pages, {.clear = kRoxCleared, .collapse = true});
  }
  // set_memory_rox on the area of modules.
  CpaOutcome RoxArea(VirtualMap& area, uint64_t first, uint64_t pages) {
    model::VirtualAttributeRequest request;
    request.range = {kArea + FrameCount(first), kArea + FrameCount(first + pages)};
    request.clear = kRoxCleared;
    request.collapse = true;
    return changer_.Change(area, request, events_);
  }
  MapLevel LevelAt(FrameNumber frame) const { return map_.Lookup(frame)->level; }
  EntryFlags FlagsAt(FrameNumber frame) const { return map_.Lookup(frame)->flags; }
  int64_t Delta4kKib() const { return static_cast<int64_t>(counters_.kib_4k() - boot_.kib_4k()); }
  int64_t Delta2mKib() const { return static_cast<int64_t>(counters_.kib_2m() - boot_.kib_2m()); }
  int64_t Delta1gKib() const { return static_cast<int64_t>(counters_.kib_1g() - boot_.kib_1g()); }
  static uint64_t SumKib(const DirectMapCounters& counters) {
    return counters.kib_4k() + counters.kib_2m() + counters.kib_1g();
  }

  DirectMap map_;
  DirectMapCounters counters_;
  CountedTables tables_;
  model::AttributeChanger changer_;
  const DirectMapCounters boot_;
  model::EventCounters events_;
};

class PredictionWithCollapse : public Prediction {
 protected:
  PredictionWithCollapse() : Prediction(CpaRules::Of(KernelRelease::k7_3)) {}
};

std::unique_ptr<Machine> Boot(const model::MachineConfig& config) { return *Machine::Create(config); }

// The counters and the CPA request of mm/secretmem.c secretmem_fault.
TEST_F(Prediction, Prediction01ASecretFaultInA1GPageSplitsTwice) {
  Ask(k1GPage + FrameCount(5), 1, {.clear = kPresentWritable, .flush = false});
  EXPECT_EQ(counters_.level3_splits, 1u);
  EXPECT_EQ(counters_.level2_splits, 1u);
  EXPECT_EQ(Delta1gKib(), -1048576);
  EXPECT_EQ(Delta2mKib(), 1046528);
  EXPECT_EQ(Delta4kKib(), 2048);
}

TEST_F(Prediction, Prediction01ItsTwoTablesAreOrder0PagesOfTheAllocator) {
  auto machine = Boot({.memory = *MemoryMap::Pc(uint64_t{8} << 30), .mapping = {}});
  model::EventCounters events;
  machine->ChargeTo(&events);
  const FrameNumber page = *machine->allocator().Allocate(model::Order(0), model::Migratetype::kUnmovable);
  const FrameCount before = machine->allocator().allocated_frames();
  EXPECT_EQ(machine->SetDirectMapInvalidNoflush(page, FrameCount(1)), CpaOutcome::kDone);
  EXPECT_EQ(machine->allocator().allocated_frames() - before, FrameCount(2));
  EXPECT_EQ(events.table_pages, 2);
}

TEST_F(PredictionWithCollapse, Prediction02TheSumOfAllSizesIsConstant) {
  Clear(k1GPage + FrameCount(5), 2000, kWritable);
  Clear(k2MPage + FrameCount(3), 1, kPresentWritable);
  Rox(k1GPage, 4096);
  EXPECT_GT(counters_.level2_splits, 0u);
  EXPECT_GT(counters_.level2_collapses, 0u);
  EXPECT_EQ(SumKib(counters_), SumKib(boot_));
  EXPECT_OK(map_.CheckInvariants());
}

TEST_F(Prediction, Prediction02ExceptWhereACountIsZeroAndTheUpdateIsSkipped) {
  counters_.pages_2m = 1;
  const uint64_t sum = SumKib(counters_);
  Clear(k2MPage, 1, kWritable);
  EXPECT_EQ(SumKib(counters_), sum);
  EXPECT_EQ(counters_.pages_2m, 0u);
  Clear(k2MPage + FrameCount(512), 1, kWritable);
  EXPECT_EQ(SumKib(counters_), sum);
  EXPECT_EQ(counters_.pages_4k, boot_.pages_4k + 512) << "one split of two moved pages";
  EXPECT_EQ(counters_.level2_splits, 2u);
}

TEST_F(PredictionWithCollapse, Prediction03DeltasAreWholeSplitsLessCollapses) {
  Clear(k1GPage + FrameCount(5), 1, kWritable);
  Rox(k2MPage + FrameCount(7), 1);
  Rox(k2MPage, 512);
  EXPECT_EQ(counters_.level2_splits, 2u);
  EXPECT_EQ(counters_.level2_collapses, 1u);
  EXPECT_EQ(Delta4kKib(), 2048 * (2 - 1));
  EXPECT_EQ(Delta1gKib(), -1048576 * (1 - 0));
}

// A production host of 2021 (Saravanan D, "Tracking linear mapping split events", V1), from its state at boot.
TEST_F(Prediction, Prediction03APublishedHostDecodesToWholeSplits) {
  counters_.pages_4k = 13272 / 4;
  counters_.pages_2m = 1984512 / 2048;
  counters_.pages_1g = 33554432 / 1048576;
  for (int i = 0; i < 20; ++i) counters_.OnSplit(MapLevel::k1G);
  for (int i = 0; i < 1705; ++i) counters_.OnSplit(MapLevel::k2M);
  EXPECT_EQ(counters_.kib_4k(), 3505112u);
  EXPECT_EQ(counters_.kib_2m(), 19464192u);
  EXPECT_EQ(counters_.kib_1g(), 12582912u);
}

TEST_F(Prediction, Prediction04PagesThatAre4KAlreadyChangeNoCounter) {
  Force4K(k2MPage, 512);
  const DirectMapCounters before = counters_;
  Clear(k2MPage + FrameCount(7), 3, kPresentWritable);
  Set(k2MPage + FrameCount(7), 3, kPresentWritable);
  Clear(k2MPage, 512, kWritable);
  EXPECT_EQ(counters_, before);
}

// The notes say that no split outside the direct map is counted. Captures say: none of vmalloc and modules is, but
// those of the kernel image's own mapping are, as if they were the direct map's (the constant offset of DirectMap4k).
TEST_F(Prediction, Prediction04SplitsOutsideTheDirectMapAreNotCountedButForTheKernelImage) {
  for (const auto& [kind, counted] :
       {std::pair{VirtualMap::Kind::kVmalloc, 0u}, {VirtualMap::Kind::kKernelImage, 1u}}) {
    VirtualMap area(kind);
    area.Map2M(kArea, k2MPage, kFlags);
    model::VirtualAttributeRequest request;
    request.range = {kArea, kArea + FrameCount(1)};
    request.clear = kWritable;
    request.check_alias = false;
    changer_.Change(area, request, events_);
    EXPECT_EQ(area.Lookup(kArea)->level, MapLevel::k4K);
    EXPECT_EQ(counters_.level2_splits, counted);
    EXPECT_EQ(Delta4kKib(), 2048 * counted);
    EXPECT_EQ(LevelAt(k2MPage), MapLevel::k2M);
  }
}

TEST_F(Prediction, Prediction05SplitsOfBootChangeMeminfoAndNotVmstat) {
  counters_.system_running = false;
  Clear(k1GPage, 1, kWritable);
  EXPECT_EQ(Delta4kKib(), 2048);
  EXPECT_EQ(Delta1gKib(), -1048576);
  EXPECT_EQ(counters_.level2_splits + counters_.level3_splits, 0u);
  counters_.system_running = true;
  Clear(k2MPage, 1, kWritable);
  EXPECT_EQ(counters_.level2_splits, 1u);
}

TEST_F(Prediction, Prediction06EachLargePageSplitsAtMostOnce) {
  for (uint64_t i = 0; i < 512; ++i) Clear(k2MPage + FrameCount(i), 1, kPresentWritable);
  EXPECT_EQ(counters_.level2_splits, 1u) << "512 pages of one 2M";
  for (uint64_t i = 0; i < 512; ++i) Clear(k1GPage + FrameCount(i * 512), 1, kPresentWritable);
  EXPECT_EQ(counters_.level2_splits, 1u + 512u) << "and 512 of as many";
  EXPECT_EQ(counters_.level3_splits, 1u);
}

TEST_F(Prediction, Prediction07AlignedFull2MByRangeApiSplitsNo2M) {
  Clear(k2MPage, 512, kWritable);
  EXPECT_EQ(counters_, boot_);
  Clear(k1GPage, 512, kWritable);
  EXPECT_EQ(counters_.level3_splits, 1u);
  EXPECT_EQ(counters_.level2_splits, 0u);
}

TEST_F(Prediction, Prediction07AlignedFull2MByArrayApiSplitsAllTheSame) {
  Ask(k2MPage, 512, {.clear = kWritable, .array = true});
  EXPECT_EQ(counters_.level2_splits, 1u);
  EXPECT_EQ(counters_.level3_splits, 0u);
  Ask(k1GPage, 512, {.clear = kWritable, .array = true});
  EXPECT_EQ(counters_.level2_splits, 2u);
  EXPECT_EQ(counters_.level3_splits, 1u);
}

TEST_F(Prediction, Prediction08ARequestForWhatIsAlreadySoDoesNothing) {
  for (uint64_t first : {k1GPage.raw() + 5, k1GPage.raw(), k2MPage.raw() + 5, k2MPage.raw()}) {
    for (uint64_t pages : {1, 512, 777, 262144}) {
      Set(FrameNumber(first), pages, kPresentWritable);
      Ask(FrameNumber(first), pages, {.set = kPresentWritable, .array = true});
    }
  }
  EXPECT_EQ(counters_, boot_);
  EXPECT_EQ(events_.flushes_all + events_.flushes_range + events_.entries_written, 0);
  EXPECT_EQ(events_.cpa_requests, 4 * 4 * 2);
}

TEST_F(Prediction, Prediction09SetMemory4KSplitsOnce) {
  Force4K(k2MPage, 512);
  EXPECT_EQ(counters_.level2_splits, 1u);
  Force4K(k2MPage, 512);
  EXPECT_EQ(counters_.level2_splits, 1u);
  Force4K(k1GPage, 512);
  EXPECT_EQ(counters_.level2_splits, 2u);
  EXPECT_EQ(counters_.level3_splits, 1u);
}

TEST_F(Prediction, Prediction10NotPresentIsAnAttributeLikeAnyOther) {
  Clear(k2MPage, 512, kPresent);
  Set(k2MPage, 512, kPresent);
  EXPECT_EQ(counters_.level2_splits, 0u);
  Clear(k2MPage, 512, kPresent);
  Set(k2MPage + FrameCount(9), 1, kPresent);
  EXPECT_EQ(counters_.level2_splits, 1u);
  EXPECT_FALSE(FlagsAt(k2MPage).Has(EntryFlags::kPresent));
  EXPECT_TRUE(FlagsAt(k2MPage + FrameCount(9)).Has(EntryFlags::kPresent));
}

TEST_F(Prediction, Prediction11EverySplitTakesATableAndFlushesAll) {
  Ask(k1GPage + FrameCount(100), 1000, {.clear = kPresentWritable, .flush = false});
  EXPECT_EQ(events_.splits_1g, 1);
  EXPECT_EQ(events_.splits_2m, 2) << "both ends; the 2M page between is covered whole";
  EXPECT_EQ(events_.table_pages, 3);
  EXPECT_EQ(tables_.taken, 3);
  EXPECT_EQ(events_.flushes_all, 3);
  EXPECT_EQ(events_.flushes_range, 0);
  EXPECT_EQ(events_.flush_ipis, 3 * 3);
}

TEST_F(Prediction, Prediction12RangesFlushPageByPageUpTo33Pages) {
  Force4K(k2MPage, 512);
  const int64_t after_split = events_.flushes_all;
  Clear(k2MPage, 33, kWritable);
  EXPECT_EQ(events_.flushes_range, 1);
  EXPECT_EQ(events_.flushes_all, after_split);
  Clear(k2MPage + FrameCount(100), 34, kWritable);
  EXPECT_EQ(events_.flushes_range, 1);
  EXPECT_EQ(events_.flushes_all, after_split + 1);
}

TEST_F(Prediction, Prediction13EnomemLeavesTheFailedPageAndTheRestAsTheyWere) {
  tables_.left = 1;
  // Half a 2M page, a whole one, and half of a third: the first split finds memory, the second does not.
  EXPECT_EQ(Clear(k2MPage + FrameCount(256), 256 + 512 + 256, kWritable), CpaOutcome::kNoMemory);
  EXPECT_EQ(events_.split_enomem, 1);
  EXPECT_FALSE(FlagsAt(k2MPage + FrameCount(256)).Has(EntryFlags::kWritable));
  EXPECT_FALSE(FlagsAt(k2MPage + FrameCount(512)).Has(EntryFlags::kWritable));
  EXPECT_EQ(LevelAt(k2MPage + FrameCount(1024)), MapLevel::k2M);
  EXPECT_EQ(FlagsAt(k2MPage + FrameCount(1024)), kFlags);
  EXPECT_EQ(counters_.level2_splits, 1u);
  EXPECT_EQ(SumKib(counters_), SumKib(boot_));
  EXPECT_EQ(events_.flushes_all, 2) << "the split's, and one for what was changed";
}

TEST_F(Prediction, Prediction13RestoringNeverAllocatesWhatASplitTookBefore) {
  Clear(k1GPage + FrameCount(77), 3, kPresentWritable);
  tables_.left = 0;
  EXPECT_EQ(Set(k1GPage + FrameCount(77), 3, kPresentWritable), CpaOutcome::kDone);
}

TEST_F(Prediction, Prediction14Before615NothingEverCollapses) {
  VirtualMap area(VirtualMap::Kind::kVmalloc);
  area.Map2M(kArea, k2MPage, kFlags);
  RoxArea(area, 0, 3);
  RoxArea(area, 0, 512);
  Rox(k2MPage, 512);
  EXPECT_EQ(counters_.level2_splits, 1u);
  EXPECT_EQ(counters_.level2_collapses + counters_.level3_collapses, 0u);
  EXPECT_EQ(area.Lookup(kArea)->level, MapLevel::k4K);
  EXPECT_EQ(LevelAt(k2MPage), MapLevel::k4K);
}

// Captures of 6.16 to 7.3 agree: hundreds of collapses in the module area, none counted, the alias stays 4K.
TEST_F(PredictionWithCollapse, Prediction14From615OnOnlyTheModuleAreaIsPutTogether) {
  VirtualMap area(VirtualMap::Kind::kVmalloc);
  area.Map2M(kArea, k2MPage, kFlags);
  RoxArea(area, 0, 3);
  EXPECT_EQ(area.Lookup(kArea)->level, MapLevel::k4K);
  RoxArea(area, 0, 512);
  EXPECT_EQ(area.Lookup(kArea)->level, MapLevel::k2M);
  EXPECT_EQ(LevelAt(k2MPage), MapLevel::k4K);
  EXPECT_EQ(counters_.level2_splits, 1u);
  EXPECT_EQ(counters_.level2_collapses, 0u);
}

TEST_F(PredictionWithCollapse, Prediction15WithoutGlobalABlockIsNotPutTogether) {
  Clear(k2MPage + FrameCount(3), 1, kPresentWritable);
  Set(k2MPage + FrameCount(3), 1, kPresentWritable);
  EXPECT_FALSE(FlagsAt(k2MPage + FrameCount(3)).Has(EntryFlags::kGlobal));
  EXPECT_TRUE(FlagsAt(k2MPage).Has(EntryFlags::kGlobal));
  Rox(k2MPage, 512);
  EXPECT_EQ(counters_.level2_collapses, 0u);
}

class PredictionWithGlobalRestored : public Prediction {
 protected:
  PredictionWithGlobalRestored() : Prediction({.collapse = CollapseDesign::kOnRox, .restore_global = true}) {}
};

TEST_F(PredictionWithGlobalRestored, Prediction15WithGlobalRestoredItIs) {
  Clear(k2MPage + FrameCount(3), 1, kPresentWritable);
  Set(k2MPage + FrameCount(3), 1, kPresentWritable);
  Rox(k2MPage, 512);
  EXPECT_EQ(counters_.level2_collapses, 1u);
  EXPECT_EQ(LevelAt(k2MPage), MapLevel::k2M);
}

// mm/vmalloc.c vm_reset_perms: every page of the area invalid, one call each, a flush, every page default. The area's
// pages are those of one whole 2M and half of the next, which are 2M pages of the direct map still.
TEST_F(Prediction, Prediction16FreeingAnAreaWithResetPermsSplitsEach2MItTouchesOnce) {
  constexpr uint64_t kPages = 768;
  for (uint64_t i = 0; i < kPages; ++i) {
    Ask(k2MPage + FrameCount(i), 1, {.clear = kPresentWritable, .flush = false, .check_alias = false});
  }
  EXPECT_EQ(counters_.level2_splits, 2u) << "the whole one too, since each call is for one page";
  EXPECT_EQ(events_.flushes_all, 2) << "the splits'; the caller's own flush is not CPA's";
  for (uint64_t i = 0; i < kPages; ++i) {
    Ask(k2MPage + FrameCount(i), 1, {.set = kPresentWritable, .flush = false, .check_alias = false});
  }
  EXPECT_EQ(counters_.level2_splits, 2u);
  EXPECT_EQ(events_.flushes_all, 2);
}

// drivers/gpu/drm/ttm/ttm_pool.c on an order-9 page. set_pages_array_wc makes two array requests, first UC-, then WC;
// ttm_pool_shrink, and no free before it, makes one range request of set_pages_wb.
TEST_F(Prediction, Prediction17AWriteCombinedOrder9BufferSplitsIts2M) {
  const EntryFlags uc_minus(EntryFlags::kCacheDisable);
  const EntryFlags wc(EntryFlags::kWriteThrough);  // as Linux programs the PAT
  const EntryFlags cache_mode(EntryFlags::kCacheDisable | EntryFlags::kWriteThrough | EntryFlags::kPat);
  Ask(k2MPage, 512, {.set = uc_minus, .array = true});
  EXPECT_EQ(counters_.level2_splits, 1u) << "although the array covers all of it";
  EXPECT_EQ(events_.entries_written, 512);
  Ask(k2MPage, 512, {.set = wc, .clear = cache_mode, .array = true});
  EXPECT_EQ(events_.entries_written, 2 * 512) << "two passes";
  EXPECT_EQ(events_.flushes_all, 1 + 2) << "the split, and an end of each pass";
  EXPECT_EQ(events_.cache_flush_pages, 2 * 512);
  EXPECT_EQ(FlagsAt(k2MPage), kFlags.With(wc));
  Clear(k2MPage, 512, cache_mode);
  EXPECT_EQ(events_.entries_written, 3 * 512);
  EXPECT_EQ(events_.cache_flush_pages, 2 * 512) << "the way back to WB flushes no cache";
  EXPECT_EQ(FlagsAt(k2MPage), kFlags);
  EXPECT_EQ(LevelAt(k2MPage), MapLevel::k4K) << "all equal, and never put together";
  EXPECT_EQ(counters_.level2_splits, 1u);
}

TEST_F(Prediction, Prediction32DebugPageallocBootsIn4KAndNeverSplits) {
  auto machine = Boot({.memory = *MemoryMap::Pc(uint64_t{1} << 30), .mapping = {.debug_pagealloc = true}});
  const DirectMapCounters boot = machine->direct_map_counters();
  EXPECT_EQ(boot.pages_2m, 0u);
  EXPECT_EQ(boot.pages_1g, 0u);
  EXPECT_GT(boot.pages_4k, 0u);
  for (int i = 0; i < 1000; ++i) {
    const FrameNumber page = *machine->allocator().Allocate(model::Order(0), model::Migratetype::kUnmovable);
    EXPECT_EQ(machine->SetDirectMapInvalidNoflush(page, FrameCount(1)), CpaOutcome::kDone);
  }
  EXPECT_EQ(machine->direct_map_counters(), boot);
}

TEST_F(Prediction, Prediction32WithoutGbpagesNothingIs1GAndNoLevel3Splits) {
  auto machine = Boot({.memory = *MemoryMap::Pc(uint64_t{4} << 30), .mapping = {.gbpages = false}});
  EXPECT_EQ(machine->direct_map_counters().pages_1g, 0u);
  EXPECT_GT(machine->direct_map_counters().pages_2m, 1024u);
  EXPECT_EQ(machine->SetDirectMapInvalidNoflush(FrameNumber(300000), FrameCount(1)), CpaOutcome::kDone);
  EXPECT_EQ(machine->direct_map_counters().level3_splits, 0u);
  EXPECT_EQ(machine->direct_map_counters().level2_splits, 1u);
}

}  // namespace
}  // namespace dmfrag::tests
