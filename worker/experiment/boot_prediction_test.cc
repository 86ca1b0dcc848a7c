#include "worker/experiment/boot_prediction.h"

#include <cstdint>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmfrag::experiment {
namespace {

using model::KernelRelease;

model::BootMachine Machine() {
  return {.release = KernelRelease::k6_12,
          .memory = *model::MemoryMap::Pc(uint64_t{8} << 30),
          .rules = {},
          .image = {},
          .initrd = {},
          .moved_initrd = {},
          .nodes = {}};
}

TEST(PredictBootTest, PrintsTheLinesTheKernelHas) {
  model::BootMachine machine = Machine();
  const workload::KernelCounters old = PredictBoot(machine).counters;
  // 6 whole GiB from 1 GiB on, the topmost counted twice more, two split for code.
  EXPECT_EQ(old.direct_map_1g_kib, (2 + 5 + 2 - 2) << 20);
  EXPECT_EQ(old.level2_splits, 0);
  EXPECT_FALSE(old.level2_collapses.has_value());
  machine.release = KernelRelease::k6_16;
  EXPECT_EQ(PredictBoot(machine).counters.level2_collapses, 0);
  machine.rules.gbpages = false;
  EXPECT_FALSE(PredictBoot(machine).counters.direct_map_1g_kib.has_value());
}

TEST(PredictBootTest, SaysWhatItCannotKnow) {
  model::BootMachine machine = Machine();
  EXPECT_THAT(PredictBoot(machine).limitation, ::testing::HasSubstr("blocks"));
  machine.release = KernelRelease::k7_3;
  EXPECT_EQ(PredictBoot(machine).limitation, "");
  machine.nodes = {{machine.memory.ranges()[0], machine.memory.ranges()[1]}, {machine.memory.ranges()[2]}};
  EXPECT_THAT(PredictBoot(machine).limitation, ::testing::HasSubstr("node"));
}

}  // namespace
}  // namespace dmfrag::experiment
