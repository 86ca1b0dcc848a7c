#include "client/capture/probes.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;

TEST(ProbesTest, EveryFrameCanBeComputedFromTheProbeAlone) {
  const ProbePlan plan = PlanProbes(
      KernelSymbols("0000000000000000 T set_direct_map_invalid_noflush\n0000000000000000 T "
                    "set_direct_map_default_noflush\n0000000000000000 t __change_page_attr_set_clr\n0000000000000000 T "
                    "__alloc_pages_bulk\n0000000000000000 t compaction_alloc\n0000000000000000 t compaction_free\n"));
  EXPECT_THAT(plan.probes, ElementsAre(Field(&Probe::fields, HasSubstr("vmb=@vmemmap_base")),
                                       Field(&Probe::fields, HasSubstr("vmb=@vmemmap_base")),
                                       Field(&Probe::fields, HasSubstr("pob=@page_offset_base")),
                                       Field(&Probe::function, "__alloc_pages_bulk"),
                                       Field(&Probe::fields, HasSubstr("vmb=@vmemmap_base")),
                                       Field(&Probe::fields, HasSubstr("vmb=@vmemmap_base"))));
  EXPECT_TRUE(plan.missing.empty());
}

TEST(ProbesTest, AFunctionThatIsNotThereIsASentence) {
  const ProbePlan plan = PlanProbes(KernelSymbols("ffffffff81000000 t compaction_free\n"));
  ASSERT_EQ(plan.probes.size(), 1u);
  EXPECT_THAT(plan.missing, testing::Contains(HasSubstr("Not recorded: changes of permissions; this kernel has no "
                                                        "function __change_page_attr_set_clr")));
}

}  // namespace
}  // namespace dmfrag::client
