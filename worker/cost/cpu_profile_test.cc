#include "worker/cost/cpu_profile.h"

#include <cstdio>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "worker/cost/range.h"

namespace dmfrag::cost {
namespace {

TEST(Range, SticksAtTheLargestValue) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(Range::Exactly(kMax) + Range::Exactly(1), Range::Exactly(kMax));
  EXPECT_EQ(Range::Exactly(kMax / 2) * 3, Range::Exactly(kMax));
  EXPECT_EQ(MultiplyDivide(kMax, 1000, 2000), kMax / 2);  // the product does not overflow
  EXPECT_EQ(MultiplyDivide(kMax, 2000, 1000), kMax);
}

TEST(Range, IsOrderedOnlyFromLowToHigh) {
  EXPECT_TRUE((Range{0, 0, 1}).IsOrdered());
  EXPECT_FALSE((Range{2, 1, 3}).IsOrdered());
  EXPECT_FALSE((Range{1, 3, 2}).IsOrdered());
  EXPECT_FALSE((Range{-1, 0, 0}).IsOrdered());
}

// Also prints the constants, so that a reader of the test's log sees which are guesses.
TEST(CpuProfile, EveryFigureHasAnOrderedRangeASourceAndOneName) {
  for (CpuModel model : kCpuModels) {
    const CpuProfile& profile = ProfileOf(model);
    std::set<std::string> names;
    CpuProfile::ForEach(profile, [&](const char* name, const char* unit, const Figure& figure) {
      const bool is_no_array = std::string(unit) == "entries" && figure.value == Range{};
      EXPECT_TRUE(figure.value.IsOrdered()) << profile.name << " " << name;
      EXPECT_TRUE(is_no_array || figure.value.low > 0) << profile.name << " " << name;
      EXPECT_TRUE(is_no_array || figure.source[0] != '\0') << profile.name << " " << name;
      EXPECT_TRUE(names.insert(name).second) << "twice: " << name;
      if (is_no_array) return;
      std::printf("%-16s %-24s %9lld %9lld %9lld %-9s %s%s\n", profile.name, name,
                  static_cast<long long>(figure.value.low), static_cast<long long>(figure.value.typical),
                  static_cast<long long>(figure.value.high), unit, figure.is_guess ? "GUESS " : "", figure.source);
    });
    EXPECT_EQ(names.size(), 21u + 5u + 8u);
  }
}

TEST(CpuProfile, ProfilesHaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (CpuModel model : kCpuModels) names.insert(ProfileOf(model).name);
  EXPECT_EQ(names.size(), kCpuModels.size());
}

// domain 6.7.
TEST(CpuProfile, TlbSizesAreTheReferences) {
  const TlbShape& skylake = ProfileOf(CpuModel::kSkylakeSp).tlb;
  EXPECT_EQ(skylake.level1[0].entries.value, Range::Exactly(64));
  EXPECT_EQ(skylake.level1[2].entries.value, Range::Exactly(4));
  EXPECT_EQ(skylake.level2[0].entries.value, Range::Exactly(1536));
  EXPECT_FALSE(skylake.level2[0].entries.is_guess);
  EXPECT_EQ(skylake.level2[1].entries.value, Range::Exactly(16));
  EXPECT_TRUE(skylake.level2[1].entries.is_guess);
  const TlbShape& zen2 = ProfileOf(CpuModel::kZen2).tlb;
  EXPECT_EQ(zen2.level2[0].entries.value, Range::Exactly(2048));
  EXPECT_TRUE(zen2.level2_smashes_1g);
  EXPECT_FALSE(zen2.level2[0].holds.k1G);
}

TEST(CpuProfile, AFigureOfACopyCanBeVariedByName) {
  CpuProfile copy = ProfileOf(CpuModel::kZen4);
  Figure* figure = FindFigure(copy, "ipi_per_cpu");
  ASSERT_NE(figure, nullptr);
  figure->value = Range::Exactly(7);
  EXPECT_EQ(copy.operations.ipi_per_cpu.value, Range::Exactly(7));
  EXPECT_NE(ProfileOf(CpuModel::kZen4).operations.ipi_per_cpu.value, Range::Exactly(7));
  ASSERT_NE(FindFigure(copy, "tlb.level2[1].entries"), nullptr);
  EXPECT_EQ(FindFigure(copy, "no such figure"), nullptr);
}

TEST(CpuProfile, NamesOfCyclesAreThoseOfOperationsAndWalks) {
  const std::vector<std::string> names = NamesOfCycles();
  EXPECT_EQ(names.size(), 21u + 4u);
  const std::set<std::string> set(names.begin(), names.end());
  for (const char* name : {"cpa_request", "free_check", "second_level_hit", "walk_from_memory"}) {
    EXPECT_TRUE(set.contains(name)) << name;
  }
  for (const char* name : {"l2_bytes", "exposed_per_mille", "tlb.level1[0].entries"}) {
    EXPECT_FALSE(set.contains(name)) << name;
  }
}

}  // namespace
}  // namespace dmfrag::cost
