#include <array>

#include "gtest/gtest.h"
#include "worker/experiment/user_machine.h"
#include "worker/workload/calls/alias_calls.h"
#include "worker/workload/calls/execmem_calls.h"
#include "worker/workload/calls/vmalloc_calls.h"
#include "worker/workload/trampoline.h"
#include "worker/workload/vmalloc.h"

// Users whose objects are one area each, or one part of the ROX cache: trampolines, vmalloc areas.
namespace dmfrag::experiment {
namespace {

using model::FrameNumber;
using model::KernelRelease;
using workload::SetMemoryFunction;

constexpr std::array<KernelRelease, 6> kReleases = {KernelRelease::k5_17, KernelRelease::k6_1,  KernelRelease::k6_12,
                                                    KernelRelease::k6_16, KernelRelease::k6_18, KernelRelease::k7_3};

// An alias call as CPA makes it: what it follows from looks for aliases, and flushes.
model::AttributeRequest Within(const workload::DirectMapCall& alias) {
  model::AttributeRequest request = alias.request;
  request.flush = false;
  request.check_alias = true;
  return request;
}

// The direct map's requests of `function` on an area of 4K entries, and of its vfree.
std::vector<model::AttributeRequest> RequestsOf(SetMemoryFunction function, const std::vector<FrameNumber>& frames,
                                                KernelRelease release) {
  std::vector<model::AttributeRequest> requests;
  for (const workload::AttributeChange& change : workload::AttributeChangesOf(function, release)) {
    for (const auto& call : workload::AliasCallsOf4K(change, frames, release)) requests.push_back(Within(call));
  }
  for (const workload::UserCall& call : workload::VfreeWithPermissionReset(frames, release)) {
    const auto* direct = std::get_if<workload::DirectMapCall>(&call);
    if (direct != nullptr) requests.push_back(direct->request);
  }
  return requests;
}

class CodeUsersTest : public ::testing::TestWithParam<KernelRelease> {
 protected:
  static UserMachine Trampolines(uint64_t mib = 256) { return Machine(workload::TrampolineTraffic({}), mib); }
  static UserMachine Areas(uint64_t mib = 256) { return Machine(workload::VmallocTraffic({}), mib); }
  static uint64_t ReadOnly(const UserMachine& machine) {
    return machine.PagesWithout(model::EntryFlags(model::EntryFlags::kWritable));
  }

  static void ExpectNothingIsLeftWithoutMemory(UserMachine (*make)(uint64_t)) {
    int failed = 0;
    int made = 0;
    for (uint64_t pages = 0; pages < 600; pages += 5) {
      UserMachine machine = make(64);
      machine.FillBut(pages);
      machine.Make(0, 6) ? ++made : ++failed;
      machine.End(0);
      machine.ExpectNothingIsLeft();
    }
    EXPECT_GT(made, 0);
    EXPECT_GT(failed, 0);
  }

 private:
  static UserMachine Machine(const workload::ObjectTraffic& traffic, uint64_t mib) {
    return UserMachine(GetParam(), *model::MemoryMap::FromUsableRanges({{16 << 20, (16 + mib) << 20}}), traffic);
  }
};
INSTANTIATE_TEST_SUITE_P(Releases, CodeUsersTest, ::testing::ValuesIn(kReleases));

// Trampolines have pages of their own up to 6.16, and parts of the ROX cache later.
class OwnTrampolinesTest : public CodeUsersTest {};
INSTANTIATE_TEST_SUITE_P(Releases, OwnTrampolinesTest,
                         ::testing::Values(KernelRelease::k5_17, KernelRelease::k6_1, KernelRelease::k6_12,
                                           KernelRelease::k6_16));
class CachedTrampolinesTest : public CodeUsersTest {};
INSTANTIATE_TEST_SUITE_P(Releases, CachedTrampolinesTest, ::testing::Values(KernelRelease::k6_18, KernelRelease::k7_3));

TEST_P(CodeUsersTest, AVmallocAreaIsReadOnlyUntilItIsFreed) {
  UserMachine machine = Areas();
  ASSERT_TRUE(machine.Make(0, 5));
  EXPECT_EQ(ReadOnly(machine), 5U);
  EXPECT_EQ(machine.events().splits_2m, 1);
  const std::vector<FrameNumber> frames = machine.pages(0);
  machine.End(0);
  EXPECT_EQ(machine.requests(), RequestsOf(SetMemoryFunction::kRo, frames, GetParam()));
  machine.ExpectNothingIsLeft();
}

TEST_P(OwnTrampolinesTest, ATrampolineHasPagesOfItsOwn) {
  UserMachine machine = Trampolines();
  ASSERT_TRUE(machine.Make(0, 2));
  EXPECT_EQ(ReadOnly(machine), 2U);
  EXPECT_EQ(machine.user().other_pages(), 0);
  EXPECT_EQ(machine.events().splits_2m, 1);
  const std::vector<FrameNumber> frames = machine.pages(0);
  machine.End(0);
  EXPECT_EQ(machine.requests(), RequestsOf(SetMemoryFunction::kRox, frames, GetParam()));
  machine.ExpectNothingIsLeft();
}

TEST_P(CachedTrampolinesTest, TrampolinesShareABlock) {
  UserMachine machine = Trampolines();
  ASSERT_TRUE(machine.Make(0, 1));
  EXPECT_TRUE(machine.pages(0).empty());
  EXPECT_EQ(machine.user().other_pages(), 512);
  EXPECT_EQ(ReadOnly(machine), 512U);
  EXPECT_EQ(machine.events().splits_2m, 1);  // when it is written to
  for (uint64_t object = 1; object < 512; ++object) ASSERT_TRUE(machine.Make(object, 1));
  EXPECT_EQ(machine.user().other_pages(), 512);
  EXPECT_EQ(machine.events().splits_2m, 1);
  EXPECT_EQ(ReadOnly(machine), 512U);
  // The block is one entry of vmalloc's again after each.
  EXPECT_EQ(machine.events().vmalloc_splits_2m, 512);
  EXPECT_EQ(machine.events().vmalloc_collapses_2m, 512);
  for (uint64_t object = 0; object < 512; ++object) machine.End(object);
  machine.ExpectNothingIsLeft();
}

// The requests on the direct map of one page of a block: populate, writable, read-only and executable; at its end the
// last two again, and the block goes back.
TEST_P(CachedTrampolinesTest, ATrampolinesCallsAreThoseOfExecmem) {
  UserMachine machine = Trampolines();
  ASSERT_TRUE(machine.Make(0, 1));
  machine.End(0);
  ASSERT_FALSE(machine.requests().empty());
  const FrameNumber block = machine.requests().front().range.first;
  std::vector<model::AttributeRequest> expected;
  const auto alias = [&](SetMemoryFunction function, bool whole) {
    for (const auto& change : workload::AttributeChangesOf(function, GetParam())) {
      for (const auto& call : whole ? workload::AliasCallsOf2M(change, block, GetParam())
                                    : workload::AliasCallsOf4K(change, {&block, 1}, GetParam())) {
        expected.push_back(Within(call));
      }
    }
  };
  alias(SetMemoryFunction::kRox, true);
  for (int time = 0; time < 2; ++time) {
    alias(SetMemoryFunction::kNx, false);
    alias(SetMemoryFunction::kRw, false);
    alias(SetMemoryFunction::kRox, false);
  }
  const workload::UserCalls clean = workload::ExecmemClean({block, block + model::kFramesPer2M});
  expected.push_back(std::get<workload::DirectMapCall>(clean.front()).request);
  EXPECT_EQ(machine.requests(), expected);
}

TEST_P(CodeUsersTest, NothingIsLeftOfAnAreaThatFindsNoMemory) { ExpectNothingIsLeftWithoutMemory(Areas); }

TEST_P(CodeUsersTest, NothingIsLeftOfATrampolineThatFindsNoMemory) { ExpectNothingIsLeftWithoutMemory(Trampolines); }

}  // namespace
}  // namespace dmfrag::experiment
