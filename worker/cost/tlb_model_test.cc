#include "worker/cost/tlb_model.h"

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "worker/cost/cpu_profile.h"
#include "worker/cost/range.h"

namespace dmfrag::cost {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;
constexpr int64_t kMiB = int64_t{1} << 20;

// A processor with one array of `entries` for all sizes at each level, where a hit of the second level costs 10 cycles
// and every walk 100.
CpuProfile Simple(int64_t level1, int64_t level2) {
  CpuProfile profile;
  profile.tlb.level1[0] = {{true, true, true}, {Range::Exactly(level1)}};
  profile.tlb.level2[0] = {{true, true, true}, {Range::Exactly(level2)}};
  profile.translation.second_level_hit.value = Range::Exactly(10);
  for (Figure* walk :
       {&profile.translation.walk_from_l2, &profile.translation.walk_from_l3, &profile.translation.walk_from_memory}) {
    walk->value = Range::Exactly(100);
  }
  profile.translation.exposed_per_mille.value = Range::Exactly(1000);
  return profile;
}

WorkingSet Set(int64_t bytes, int64_t visits) { return {Range::Exactly(bytes), Range::Exactly(visits)}; }

TEST(TlbModel, WhatFitsTheFirstLevelCostsNothing) {
  const WorkingSets sets = {.user_4k = Set(16 * 4096, 1000)};
  EXPECT_EQ(TranslationOverheadPpm(Simple(16, 64), {.bytes_1g = kGiB}, sets), Range{});
}

// 32 pages at even rates in 16 entries hit half the time; all fit the second level: 1000 visits, 500 misses, 10 cycles.
TEST(TlbModel, HalfOfTwiceTheCapacityMisses) {
  const WorkingSets sets = {.user_4k = Set(32 * 4096, 1000)};
  EXPECT_NEAR(TranslationOverheadPpm(Simple(16, 64), {.bytes_1g = kGiB}, sets).typical, 5000, 10);
}

// 64 pages: 3/4 miss 16 entries, and half miss 32; 250 visits cost 10 and 500 cost 100.
TEST(TlbModel, MissesOfBothLevelsWalk) {
  const WorkingSets sets = {.user_4k = Set(64 * 4096, 1000)};
  EXPECT_NEAR(TranslationOverheadPpm(Simple(16, 32), {.bytes_1g = kGiB}, sets).typical, 250 * 10 + 500 * 100, 100);
}

// 20 pages visited 3 times as often as 20 others, in 20 entries: with x = T per page of the slower, x/(1+x) +
// 3x/(1+3x) = 1, so x = 1/sqrt 3; they hit 0.366 and 0.634.
TEST(TlbModel, CapacityIsSharedByWhoVisits) {
  const WorkingSets sets = {.user_4k = Set(20 * 4096, 1000), .user_2m = Set(20 * 2 * kMiB, 3000)};
  EXPECT_NEAR(TranslationOverheadPpm(Simple(20, 64), {.bytes_1g = kGiB}, sets).typical,
              10 * (1000 * 0.63397 + 3000 * 0.36603), 20);
}

// 1000 kernel pages over 1 GiB: with 4K pages 1000 entries, with a 1G page one.
TEST(TlbModel, KernelPagesNeedAsManyEntriesAsTheirMappingHas) {
  const WorkingSets sets = {.kernel_cold = Set(1000 * 4096, 1000)};
  const CpuProfile profile = Simple(8, 500);
  EXPECT_EQ(TranslationOverheadPpm(profile, {.bytes_1g = kGiB}, sets), Range{});
  // 992 of 1000 miss the first level, half the second.
  EXPECT_NEAR(TranslationOverheadPpm(profile, {.bytes_4k = kGiB}, sets).typical, 492 * 10 + 500 * 100, 250);
  // 1000 balls in 512 boxes leave 512 e^-1.953 = 72.6 empty: 439 entries, which fit the second level.
  EXPECT_NEAR(TranslationOverheadPpm(profile, {.bytes_2m = kGiB}, sets).typical, 10 * (1000 - 1000 * 8 / 439), 60);
}

TEST(TlbModel, KernelAndUserCompeteForTheSameEntries) {
  const CpuProfile profile = Simple(16, 600);
  const WorkingSets kernel = {.kernel_cold = Set(400 * 4096, 1000)};
  const WorkingSets user = {.user_4k = Set(400 * 4096, 1000)};
  const WorkingSets both = {.kernel_cold = kernel.kernel_cold, .user_4k = user.user_4k};
  const PageSizeMix mix = {.bytes_4k = kGiB};
  EXPECT_GT(TranslationOverheadPpm(profile, mix, both).typical,
            TranslationOverheadPpm(profile, mix, kernel).typical + TranslationOverheadPpm(profile, mix, user).typical);
}

// Page tables of 8,000 scattered 4K pages of 8 GiB need 8,000 lines nearly, 500 KiB; those of 2M pages 512 lines.
TEST(TlbModel, WalksOfScatteredPagesComeFromFartherAway) {
  CpuProfile profile = Simple(1, 1);
  profile.translation.walk_from_l2.value = Range::Exactly(10);
  profile.translation.l2_bytes.value = Range::Exactly(64 << 10);
  profile.translation.table_share_per_mille.value = Range::Exactly(1000);
  const WorkingSets sets = {.kernel_cold = Set(8000 * 4096, 1000)};
  const int64_t k4k = TranslationOverheadPpm(profile, {.bytes_4k = 8 * kGiB}, sets).typical;
  const int64_t k2m = TranslationOverheadPpm(profile, {.bytes_2m = 8 * kGiB}, sets).typical;
  EXPECT_NEAR(k2m, 10'000, 100);  // 32 KiB of lines: all walks end in the cache
  EXPECT_NEAR(k4k, 1000 * (100 - 90 * 1024 / 7940), 1500);
}

// Zen 2 keeps pieces of 2M for a 1G page: beyond 4 GiB of touched memory 1G pages miss its second level as 2M pages do.
TEST(TlbModel, SmashedPagesTakeTheEntriesOfTheirPieces) {
  CpuProfile smashing = Simple(4, 2048);
  smashing.tlb.level2_smashes_1g = true;
  const WorkingSets sets = {.kernel_cold = Set(100'000 * 4096, 1000)};
  const PageSizeMix one_g = {.bytes_1g = 64 * kGiB};
  const Range smashed = TranslationOverheadPpm(smashing, one_g, sets);
  const Range whole = TranslationOverheadPpm(Simple(4, 2048), one_g, sets);
  // 4 of 64 pages fit the first level, all the second: 1000 visits, 1/16 of them hits, rounded down to 937 misses.
  EXPECT_EQ(whole.typical, 9370);
  EXPECT_GT(smashed.typical, 5 * whole.typical);
}

// What fits neither the processor's own cache nor a page, but the last level.
TEST(TlbModel, WalksEndInTheLastLevelBeforeMemory) {
  CpuProfile profile = Simple(1, 1);
  profile.translation.walk_from_l3.value = Range::Exactly(50);
  profile.translation.l3_bytes.value = Range::Exactly(1 << 20);
  profile.translation.table_share_per_mille.value = Range::Exactly(1000);
  const WorkingSets sets = {.kernel_cold = Set(8000 * 4096, 1000)};
  EXPECT_NEAR(TranslationOverheadPpm(profile, {.bytes_4k = 8 * kGiB}, sets).typical, 50'000, 100);
}

// As 1G pages of Zen 1: a hit of the first level needs no second one.
TEST(TlbModel, WhatTheFirstLevelHoldsNeedsNoSecond) {
  CpuProfile profile = Simple(64, 64);
  profile.tlb.level2[0].holds.k1G = false;
  const WorkingSets sets = {.kernel_hot = Set(100 * 4096, 1000)};
  EXPECT_EQ(TranslationOverheadPpm(profile, {.bytes_1g = 8 * kGiB}, sets), Range{});
}

TEST(TlbModel, ASizeNoArrayHoldsAlwaysWalks) {
  CpuProfile profile = Simple(64, 64);
  profile.tlb.level1[0].holds.k1G = false;
  profile.tlb.level2[0].holds.k1G = false;
  const WorkingSets sets = {.kernel_hot = Set(4096, 1000)};
  EXPECT_EQ(TranslationOverheadPpm(profile, {.bytes_1g = kGiB}, sets), Range::Exactly(100'000));
}

PageSizeMix AnyMix() {
  const auto part = [] { return *rc::gen::inRange<int64_t>(0, 512) * kGiB; };
  PageSizeMix mix{part(), part(), part()};
  mix.bytes_2m += 2 * kMiB;
  return mix;
}

RC_GTEST_PROP(TlbModelProperties, RangesAreOrderedAndRepeatable, ()) {
  const CpuProfile& profile = ProfileOf(*rc::gen::elementOf(kCpuModels));
  const PageSizeMix mix = AnyMix();
  const WorkingSets sets = WorkingSets::Guess(mix.TotalBytes());
  const Range overhead = TranslationOverheadPpm(profile, mix, sets);
  RC_ASSERT(overhead.IsOrdered());
  RC_ASSERT(TranslationOverheadPpm(profile, mix, sets) == overhead);
}

RC_GTEST_PROP(TlbModelProperties, MoreEntriesNeverCostMore, ()) {
  const int64_t level1 = *rc::gen::inRange<int64_t>(1, 200);
  const int64_t level2 = *rc::gen::inRange<int64_t>(200, 5000);
  const int64_t more = *rc::gen::inRange<int64_t>(0, 1000);
  const PageSizeMix mix = AnyMix();
  const WorkingSets sets = WorkingSets::Guess(mix.TotalBytes());
  // A unit of rounding per set and level.
  RC_ASSERT(TranslationOverheadPpm(Simple(level1, level2 + more), mix, sets).typical <=
            TranslationOverheadPpm(Simple(level1, level2), mix, sets).typical + 2000);
}

RC_GTEST_PROP(TlbModelProperties, MoreVisitsOfOneSetNeverCostLess, ()) {
  const int64_t visits = *rc::gen::inRange<int64_t>(1, 5000);
  const int64_t pages = *rc::gen::inRange<int64_t>(1, 100'000);
  const CpuProfile profile = Simple(64, 1536);
  const PageSizeMix mix = {.bytes_4k = 64 * kGiB};
  RC_ASSERT(TranslationOverheadPpm(profile, mix, {.kernel_cold = Set(pages * 4096, visits)}).typical <=
            TranslationOverheadPpm(profile, mix, {.kernel_cold = Set(pages * 4096, visits + 1000)}).typical);
}

}  // namespace
}  // namespace dmfrag::cost
