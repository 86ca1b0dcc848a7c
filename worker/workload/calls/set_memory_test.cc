#include "worker/workload/calls/set_memory.h"

#include <variant>
#include <vector>

#include "gtest/gtest.h"

namespace dmfrag::workload {
namespace {

using model::EntryFlags;
using model::FrameNumber;
using model::FrameRange;
using model::KernelRelease;
using Function = SetMemoryFunction;

constexpr FrameRange kRange = {FrameNumber(1000), FrameNumber(1007)};

EntryFlags X86(uint64_t bits) { return EntryFlags::FromX86(bits, model::MapLevel::k4K); }

// Masks as kprobes recorded them: set_memory_* of the direct map on 6.1, 6.12 and 7.3.
struct Recorded {
  const char* name;
  KernelRelease release;
  CpaCall::Op op;
  uint64_t set;
  uint64_t clear;
};

constexpr uint64_t kNx = uint64_t{1} << 63;
constexpr auto kChange = CpaCall::Op::kChange;

class RecordedSetMemoryTest : public ::testing::TestWithParam<Recorded> {};

TEST_P(RecordedSetMemoryTest, HasTheKernelsMasks) {
  const Recorded& recorded = GetParam();
  const auto function = SetMemoryFunctionNamed(recorded.name);
  ASSERT_TRUE(function.has_value());
  const UserCalls calls = SetMemory(*function, kRange, recorded.release);
  ASSERT_EQ(calls.size(), 1U);
  const auto& call = std::get<DirectMapCall>(calls[0]);
  EXPECT_EQ(call.op, recorded.op);
  EXPECT_EQ(call.request.range, kRange);
  EXPECT_EQ(call.request.set, X86(recorded.set));
  EXPECT_EQ(call.request.clear, X86(recorded.clear));
  EXPECT_TRUE(call.request.flush);
  EXPECT_EQ(call.request.force_4k, recorded.op == CpaCall::Op::kForce4K);
  EXPECT_EQ(call.request.collapse, recorded.op == CpaCall::Op::kRox);
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, RecordedSetMemoryTest,
    ::testing::Values(Recorded{"set_memory_ro", KernelRelease::k6_1, kChange, 0, 0x2},
                      Recorded{"set_memory_ro", KernelRelease::k6_12, kChange, 0, 0x42},
                      Recorded{"set_memory_ro", KernelRelease::k7_3, kChange, 0, 0x42},
                      Recorded{"set_memory_rw", KernelRelease::k6_1, kChange, 0x2, 0},
                      Recorded{"set_memory_rw", KernelRelease::k7_3, kChange, 0x2, 0},
                      Recorded{"set_memory_nx", KernelRelease::k6_12, kChange, kNx, 0},
                      Recorded{"set_memory_rox", KernelRelease::k7_3, CpaCall::Op::kRox, 0, kNx | 0x42},
                      Recorded{"set_memory_np", KernelRelease::k6_1, kChange, 0, 0x1},
                      Recorded{"set_memory_np", KernelRelease::k7_3, kChange, 0, 0x1},
                      Recorded{"set_memory_uc", KernelRelease::k6_1, kChange, 0x10, 0},
                      Recorded{"set_memory_wb", KernelRelease::k6_12, kChange, 0, 0x98},
                      Recorded{"set_memory_4k", KernelRelease::k6_12, CpaCall::Op::kForce4K, 0, 0},
                      Recorded{"set_memory_4k", KernelRelease::k7_3, CpaCall::Op::kForce4K, 0x800, 0}));

TEST(SetMemoryTest, WriteCombiningTakesTwoPasses) {
  const std::vector<AttributeChange> passes = AttributeChangesOf(Function::kWc, KernelRelease::k6_12);
  ASSERT_EQ(passes.size(), 2U);
  EXPECT_EQ(passes[0], (AttributeChange{.set = X86(0x10)}));
  EXPECT_EQ(passes[1], (AttributeChange{.set = X86(0x8), .clear = X86(0x98)}));
}

TEST(SetMemoryTest, RoxTakesTwoCallsOn6_1AndDoesNotCollapseBefore6_15) {
  const std::vector<AttributeChange> old = AttributeChangesOf(Function::kRox, KernelRelease::k6_1);
  ASSERT_EQ(old.size(), 2U);
  EXPECT_EQ(old[0].clear, X86(0x2));
  EXPECT_EQ(old[1].clear, X86(kNx));
  const std::vector<AttributeChange> later = AttributeChangesOf(Function::kRox, KernelRelease::k6_12);
  ASSERT_EQ(later.size(), 1U);
  EXPECT_EQ(later[0].clear, X86(kNx | 0x42));
  EXPECT_FALSE(later[0].collapse);
}

TEST(SetMemoryTest, EveryFunctionAsksForSomething) {
  for (const char* name : {"set_memory_ro", "set_memory_rw", "set_memory_x", "set_memory_nx", "set_memory_rox",
                           "set_memory_np", "set_memory_p", "set_memory_4k", "set_memory_uc", "set_memory_wc",
                           "set_memory_wt", "set_memory_wb", "set_memory_global", "set_memory_nonglobal"}) {
    const auto function = SetMemoryFunctionNamed(name);
    ASSERT_TRUE(function.has_value()) << name;
    for (const AttributeChange& change : AttributeChangesOf(*function, KernelRelease::k6_12)) {
      EXPECT_TRUE(change.force_4k || !change.set.empty() || !change.clear.empty()) << name;
    }
  }
  EXPECT_FALSE(SetMemoryFunctionNamed("set_memory_encrypted").has_value());
}

TEST(SetMemoryTest, VirtualAddressesGetTheSameMasks) {
  const model::VirtualRange pages = {model::VirtualPage(5), model::VirtualPage(9)};
  const UserCalls calls = SetMemory(Function::kRox, pages, KernelRelease::k6_18);
  ASSERT_EQ(calls.size(), 1U);
  const auto& request = std::get<model::VirtualAttributeRequest>(calls[0]);
  EXPECT_EQ(request.range, pages);
  EXPECT_EQ(request.clear, X86(kNx | 0x42));
  EXPECT_TRUE(request.collapse);
}

// Traces: clr=0x3 on 6.1, clr=0x43 on 6.12 and 7.3; set=0x3 on all.
TEST(SetDirectMapTest, HasTheKernelsMasksAndDoesNotFlush) {
  const auto old = std::get<DirectMapCall>(SetDirectMapInvalid(FrameNumber(7), KernelRelease::k6_1));
  EXPECT_EQ(old.request.clear, X86(0x3));
  const auto later = std::get<DirectMapCall>(SetDirectMapInvalid(FrameNumber(7), KernelRelease::k6_12));
  EXPECT_EQ(later.request.clear, X86(0x43));
  EXPECT_EQ(later.request.range, (FrameRange{FrameNumber(7), FrameNumber(8)}));
  EXPECT_FALSE(later.request.flush);
  EXPECT_FALSE(later.request.check_alias);
  const auto back = std::get<DirectMapCall>(SetDirectMapDefault(FrameNumber(7)));
  EXPECT_EQ(back.request.set, X86(0x3));
  EXPECT_FALSE(back.request.flush);
  EXPECT_EQ(std::get<DirectMapCall>(SetDirectMapValid(kRange)).request.range, kRange);
}

}  // namespace
}  // namespace dmfrag::workload
