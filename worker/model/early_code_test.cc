#include "worker/model/early_code.h"

#include <vector>

#include "gtest/gtest.h"

namespace dmfrag::model {
namespace {

constexpr uint64_t kGib = uint64_t{1} << 30;

BootMachine Machine(KernelRelease release, uint64_t gib) {
  return {.release = release,
          .memory = *MemoryMap::Pc(gib * kGib),
          .rules = {},
          .image = {},
          .initrd = {},
          .moved_initrd = {},
          .nodes = {}};
}

// Numbers of the 2M blocks asked for.
std::vector<uint64_t> Blocks(const BootMachine& machine) {
  std::vector<uint64_t> blocks;
  for (const AttributeRequest& request : EarlyCodeRequests(machine)) {
    EXPECT_FALSE(request.range.empty());
    EXPECT_TRUE(machine.memory.Covers(request.range));
    blocks.push_back(request.range.first.raw() / 512);
  }
  return blocks;
}

using List = std::vector<uint64_t>;

TEST(EarlyCodeTest, APackLiesAtBothEndsOfZoneNormal) {
  EXPECT_EQ(Blocks(Machine(KernelRelease::k6_1, 4)), (List{2049, 2525}));
  EXPECT_EQ(Blocks(Machine(KernelRelease::k6_12, 8)), (List{2049, 4541}));
}

TEST(EarlyCodeTest, WithoutMemoryAbove4GibItTakesAThirdBlockBehindTheImage) {
  BootMachine machine = Machine(KernelRelease::k6_1, 2);
  machine.image = KernelImage{};
  machine.image->first_frame = FrameNumber(4096);
  machine.image->end = VirtualPage(0x3430);
  EXPECT_EQ(Blocks(machine), (List{37, 40, 1005}));
  machine.cpus = 2;
  EXPECT_EQ(Blocks(machine), (List{37, 1005}));
  machine.release = KernelRelease::k6_12;
  EXPECT_EQ(Blocks(machine), (List{37, 40, 1005}));
  machine.memory = *MemoryMap::Pc(3 * kGib);
  EXPECT_EQ(Blocks(machine), (List{37, 1509}));
}

TEST(EarlyCodeTest, ARamDiskAtTheTopMovesItDown) {
  BootMachine machine = Machine(KernelRelease::k6_12, 3);
  const std::vector<uint64_t> before = Blocks(machine);
  machine.initrd = FrameRange{FrameNumber(1530 * 512 + 7), FrameNumber(1535 * 512 + 400)};
  const std::vector<uint64_t> after = Blocks(machine);
  ASSERT_EQ(after.size(), before.size());
  EXPECT_EQ(after.back(), before.back() - 5);
  machine.moved_initrd = FrameRange{FrameNumber(1520 * 512 + 7), FrameNumber(1535 * 512 + 400)};
  EXPECT_EQ(Blocks(machine).back(), before.back() - 15);
}

TEST(EarlyCodeTest, EachNodeHasAPackUpTo618AndOneNodeOn73) {
  BootMachine machine = Machine(KernelRelease::k6_12, 8);
  const auto& memory = machine.memory.ranges();
  const FrameNumber middle(5 * kFramesPer1G.raw());
  machine.nodes = {{memory[0], memory[1], {memory[2].first, middle}}, {{middle, memory[2].end}}};
  EXPECT_EQ(Blocks(machine), (List{2049, 2525, 2561, 4573}));
  machine.release = KernelRelease::k7_3;
  const auto requests = EarlyCodeRequests(machine);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].range, (FrameRange{FrameNumber(2053 * 512), FrameNumber(2054 * 512)})) << "a whole block";
}

TEST(EarlyCodeTest, TheCommandLineAddsAKprobePageAndThePoolOfKfence) {
  BootMachine machine = Machine(KernelRelease::k6_16, 4);
  EXPECT_EQ(Blocks(machine), (List{2049, 2052}));
  machine.boot_kprobes = true;
  EXPECT_EQ(Blocks(machine), (List{2049, 2052, 2056}));
  machine.boot_kprobes = false;
  machine.kfence = true;
  EXPECT_EQ(Blocks(machine), (List{2523, 2049, 2052}));
  EXPECT_TRUE(EarlyCodeRequests(machine)[0].force_4k);
}

TEST(EarlyCodeTest, KeepsOutOfTheImageAndOfHoles) {
  BootMachine machine = Machine(KernelRelease::k6_1, 4);
  machine.image = KernelImage{};
  machine.image->first_frame = FrameNumber(2048 * 512);
  machine.image->end = VirtualPage(4 * 512);
  EXPECT_EQ(Blocks(machine), (List{2052, 2525}));
  machine.image->first_frame = FrameNumber(2524 * 512);
  EXPECT_EQ(Blocks(machine), (List{2049, 2523}));
}

TEST(EarlyCodeTest, AMachineTooSmallHasNone) {
  BootMachine machine = Machine(KernelRelease::k6_1, 1);
  machine.memory = *MemoryMap::FromUsableRanges({{0, 16 << 20}});
  EXPECT_TRUE(Blocks(machine).empty());
  machine.kfence = true;
  EXPECT_TRUE(Blocks(machine).empty());
}

}  // namespace
}  // namespace dmfrag::model
