#include "worker/convert/cost_from_proto.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/cost/cpu_profile.h"
#include "worker/cost/range.h"
#include "worker/model/memory_map.h"

namespace dmfrag::convert {
namespace {

using cost::OperationCosts;
using cost::Range;
using ::testing::HasSubstr;

model::MachineConfig Machine(bool debug_pagealloc = false) {
  return {.memory = *model::MemoryMap::Pc(uint64_t{512} << 20), .mapping = {.debug_pagealloc = debug_pagealloc}};
}

absl::StatusOr<std::optional<experiment::CostConfig>> Cost(const std::string& text, bool debug_pagealloc = false) {
  v1::MachineSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  spec.set_cpus(4);
  return CostFrom(spec, Machine(debug_pagealloc));
}

absl::StatusOr<std::optional<experiment::CostConfig>> WithConstants(const std::string& constants) {
  return Cost("cpu_profile: CPU_PROFILE_ZEN_3 cost { " + constants + " }");
}

const OperationCosts& Zen3() { return cost::ProfileOf(cost::CpuModel::kZen3).operations; }

TEST(CostFromTest, WithoutAProcessorThereIsNone) {
  const auto cost = Cost("");
  ASSERT_OK(cost);
  EXPECT_FALSE(cost->has_value());
}

TEST(CostFromTest, ConstantsReplaceThoseOfTheProcessorAlone) {
  const auto cost =
      WithConstants("constants { name: 'free_check' cycles: 7 } constants { name: 'ipi_start' cycles: 0 }");
  ASSERT_OK(cost);
  const OperationCosts& costs = (*cost)->profile.operations;
  EXPECT_EQ(costs.free_check.value, Range::Exactly(7));
  EXPECT_EQ(costs.ipi_start.value, Range{});
  EXPECT_EQ(costs.ipi_per_cpu.value, Zen3().ipi_per_cpu.value);
  EXPECT_NE(Zen3().free_check.value, Range::Exactly(7)) << "the profile itself stays";
}

TEST(CostFromTest, EveryConstantInCyclesCanBeGiven) {
  std::vector<std::string> names = cost::NamesOfCycles();
  std::sort(names.begin(), names.end());
  std::string text;
  for (const std::string& name : names) text += "constants { name: '" + name + "' cycles: 123 }";
  auto cost = WithConstants(text);
  ASSERT_OK(cost);
  int changed = 0;
  OperationCosts::ForEach((*cost)->profile.operations, [&](const char* name, const cost::Figure& figure) {
    EXPECT_EQ(figure.value, Range::Exactly(123)) << name;
    ++changed;
  });
  EXPECT_EQ((*cost)->profile.translation.walk_from_memory.value, Range::Exactly(123));
  EXPECT_LT(changed, static_cast<int>(names.size())) << "those of walks too";
}

TEST(CostFromTest, UnknownNamesAreRefusedWithTheKnownOnes) {
  EXPECT_THAT(WithConstants("constants { name: 'ipi' cycles: 7 }").status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::AllOf(HasSubstr("machine.cost.constants[ipi]: "), HasSubstr("cpa_request, "),
                                        HasSubstr("free_check"))));
  // Not in cycles.
  EXPECT_THAT(WithConstants("constants { name: 'l2_bytes' cycles: 7 }").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no constant has this name")));
  EXPECT_THAT(WithConstants("constants { cycles: 7 }").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("machine.cost.constants[]: ")));
}

TEST(CostFromTest, ConstantsHaveOneForm) {
  EXPECT_THAT(WithConstants("constants { name: 'wbinvd' cycles: 7 } constants { name: 'wbinvd' cycles: 7 }").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("constants[wbinvd]: is given twice")));
  EXPECT_THAT(
      WithConstants("constants { name: 'wbinvd' cycles: 7 } constants { name: 'flush_all' cycles: 7 }").status(),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("constants[flush_all]: stands behind wbinvd")));
}

TEST(CostFromTest, ConstantsHaveALimit) {
  EXPECT_OK(WithConstants("constants { name: 'wbinvd' cycles: 1000000000 }"));
  EXPECT_THAT(WithConstants("constants { name: 'wbinvd' cycles: 1000000001 }").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("allowed are 0 to 1000000000")));
}

TEST(CostFromTest, ConstantsNeedAProcessor) {
  EXPECT_THAT(Cost("cost { constants { name: 'wbinvd' cycles: 7 } }").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("needs machine.cpu_profile")));
}

// __kernel_map_pages ends with __flush_tlb_all, a temporary mapping with the INVLPG of its page.
TEST(CostFromTest, LocalFlushesDropEverythingUnderDebugPagealloc) {
  EXPECT_FALSE((*Cost("cpu_profile: CPU_PROFILE_ZEN_3"))->targets.local_flushes_are_full);
  EXPECT_TRUE((*Cost("cpu_profile: CPU_PROFILE_ZEN_3", /*debug_pagealloc=*/true))->targets.local_flushes_are_full);
}

}  // namespace
}  // namespace dmfrag::convert
