#include "client/replay/recorded_machine.h"

#include <string>

#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

v1::KernelRelease RulesOf(const std::string& release) {
  v1::MachineSnapshot machine;
  machine.set_kernel_release(release);
  return ReleaseOf(machine);
}

TEST(RecordedMachine, HasTheRulesOfTheLastKnownReleaseThatIsNotLater) {
  EXPECT_EQ(RulesOf("4.19.0-21-amd64"), v1::KERNEL_RELEASE_5_17);
  EXPECT_EQ(RulesOf("6.1.0-56-amd64"), v1::KERNEL_RELEASE_6_1);
  EXPECT_EQ(RulesOf("6.14.2"), v1::KERNEL_RELEASE_6_12);
  EXPECT_EQ(RulesOf("6.18.15+deb14-amd64"), v1::KERNEL_RELEASE_6_18);
  EXPECT_EQ(RulesOf("8.0-rc1"), v1::KERNEL_RELEASE_7_3);
  EXPECT_EQ(RulesOf(""), v1::KERNEL_RELEASE_UNSPECIFIED);
  EXPECT_EQ(RulesOf("next-20261101"), v1::KERNEL_RELEASE_UNSPECIFIED);
}

TEST(RecordedMachine, StartsARunIfItsMemoryAndWhatIsFreeAreKnown) {
  v1::MachineSnapshot machine;
  EXPECT_FALSE(CanStart(machine));
  machine.set_meminfo("MemTotal: 1 kB\n");
  EXPECT_FALSE(CanStart(machine));
  machine.set_buddyinfo("Node 0, zone DMA 1 0 0 0 0 0 0 0 0 0 0\n");
  EXPECT_TRUE(CanStart(machine));
}

}  // namespace
}  // namespace dmfrag::client
