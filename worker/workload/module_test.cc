#include "worker/workload/module.h"

#include <numeric>

#include "gtest/gtest.h"

namespace dmfrag::workload {
namespace {

using model::KernelRelease;
using Kind = ModuleMemory;

uint64_t Of(const ModuleSizes& sizes, Kind kind) { return sizes[static_cast<size_t>(kind)]; }

uint64_t CoreOf(const ModuleSizes& sizes) {
  return Of(sizes, Kind::kText) + Of(sizes, Kind::kData) + Of(sizes, Kind::kRodata) + Of(sizes, Kind::kRoAfterInit);
}

TEST(ModuleTest, EveryPageIsShared) {
  for (uint64_t pages = 0; pages <= 3000; ++pages) EXPECT_EQ(CoreOf(ModuleSizesOf(pages)), pages);
  EXPECT_EQ(CoreOf(ModuleSizesOf(65536)), 65536U);
}

TEST(ModuleTest, SmallModulesLackKindsOfMemory) {
  EXPECT_EQ(ModuleSizesOf(0), ModuleSizes());
  EXPECT_EQ(ModuleSizesOf(1), (ModuleSizes{1, 0, 0, 0, 1, 1, 0}));
  EXPECT_EQ(ModuleSizesOf(2), (ModuleSizes{1, 1, 0, 0, 1, 1, 0}));
  EXPECT_EQ(ModuleSizesOf(3), (ModuleSizes{1, 1, 1, 0, 1, 1, 0}));
  EXPECT_EQ(ModuleSizesOf(20), (ModuleSizes{8, 7, 5, 0, 1, 5, 0}));
  EXPECT_EQ(ModuleSizesOf(21), (ModuleSizes{8, 8, 4, 1, 1, 5, 0}));
}

// Sizes of the 20 quantiles of the 108 modules of nmods-612-2G-a, from the smallest on; what their kinds of memory were
// in all is said in module.h.
TEST(ModuleTest, TheSharesAreThoseMeasured) {
  constexpr uint64_t kQuantiles[] = {2, 3, 3, 3, 4, 4, 4, 5, 7, 9, 11, 13, 17, 21, 29, 37, 49, 63, 125, 245};
  ModuleSizes sum = {};
  for (const uint64_t pages : kQuantiles) {
    const ModuleSizes sizes = ModuleSizesOf(pages);
    for (size_t kind = 0; kind < kModuleMemories; ++kind) sum[kind] += sizes[kind];
  }
  const auto core = static_cast<double>(std::accumulate(std::begin(kQuantiles), std::end(kQuantiles), uint64_t{0}));
  EXPECT_NEAR(static_cast<double>(Of(sum, Kind::kText)) / core, 1822.0 / 4598, 0.02);
  EXPECT_NEAR(static_cast<double>(Of(sum, Kind::kData)) / core, 1580.0 / 4598, 0.02);
  EXPECT_NEAR(static_cast<double>(Of(sum, Kind::kRodata)) / core, 1160.0 / 4598, 0.02);
  EXPECT_NEAR(static_cast<double>(Of(sum, Kind::kRoAfterInit)) / std::size(kQuantiles), 36.0 / 108, 0.05);
  EXPECT_NEAR(static_cast<double>(Of(sum, Kind::kInitText)) / std::size(kQuantiles), 94.0 / 108, 0.15);
  EXPECT_NEAR(static_cast<double>(Of(sum, Kind::kInitData)) / core, 1151.0 / 4598, 0.02);
}

TEST(ModuleTest, EveryKindLiesInOneArea) {
  for (const KernelRelease release : {KernelRelease::k5_17, KernelRelease::k6_1, KernelRelease::k6_12,
                                      KernelRelease::k6_16, KernelRelease::k6_18, KernelRelease::k7_3}) {
    ModuleSizes areas_of = {};
    size_t areas = 0;
    for (const auto of : {ModuleCoreAreas(release), ModuleInitAreas(release)}) {
      for (const ModuleArea& area : of) {
        ++areas;
        for (const Kind kind : area) ++areas_of[static_cast<size_t>(kind)];
      }
    }
    for (const uint64_t count : areas_of) EXPECT_EQ(count, 1U);
    EXPECT_EQ(areas, release <= KernelRelease::k6_1 ? 2U : kModuleMemories);
  }
}

}  // namespace
}  // namespace dmfrag::workload
