#include "worker/experiment/calls/alias_explainer.h"

#include <set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "worker/experiment/calls/module_candidates.h"
#include "worker/workload/calls/alias_calls.h"
#include "worker/workload/random.h"

namespace dmfrag::experiment {
namespace {

using model::FrameNumber;
using model::KernelRelease;
using workload::DirectMapCall;
using workload::ModuleMemory;

constexpr KernelRelease kReleases[] = {KernelRelease::k6_1, KernelRelease::k6_12, KernelRelease::k6_16,
                                       KernelRelease::k6_18, KernelRelease::k7_3};

std::vector<FrameNumber> FramesFrom(uint64_t first, size_t count) {
  std::vector<FrameNumber> frames;
  for (size_t i = 0; i < count; ++i) frames.push_back(FrameNumber(first + i));
  return frames;
}

// `base` sets modules apart.
ModuleFrames Module(uint64_t base) {
  ModuleFrames module;
  module[ModuleMemory::kText] = FramesFrom(base + 100, 5);
  module[ModuleMemory::kData] = FramesFrom(base + 200, 2);
  module[ModuleMemory::kRodata] = FramesFrom(base + 300, 3);
  module[ModuleMemory::kRoAfterInit] = FramesFrom(base + 400, 1);
  module[ModuleMemory::kInitText] = FramesFrom(base + 500, 2);
  module[ModuleMemory::kInitData] = FramesFrom(base + 600, 4);
  return module;
}

// 6.17 and later: the init text goes back to the ROX cache.
std::vector<AliasCall> FreeOfInitText(const ModuleFrames& module, KernelRelease release) {
  std::vector<AliasCall> calls;
  if (release < KernelRelease::k6_18) return calls;
  for (const auto function :
       {workload::SetMemoryFunction::kNx, workload::SetMemoryFunction::kRw, workload::SetMemoryFunction::kRox}) {
    const auto change = workload::AttributeChangesOf(function, release).front();
    for (const DirectMapCall& call : workload::AliasCallsOf4K(change, module[ModuleMemory::kInitText], release)) {
      calls.push_back({.position = 1, .step = 1, .user = CallUser::kModule, .call = call});
    }
  }
  return calls;
}

std::vector<AliasCall> Load(const ModuleFrames& module, KernelRelease release) {
  std::vector<AliasCall> calls;
  for (const DirectMapCall& call : ModuleLoadAliasCalls(module, release)) {
    calls.push_back({.position = calls.size() + 1, .step = 1, .user = CallUser::kModule, .call = call});
  }
  return calls;
}

void AppendTo(std::vector<AliasCall>& calls, const std::vector<AliasCall>& more) {
  calls.insert(calls.end(), more.begin(), more.end());
}

std::vector<AliasCall> Loads(const std::vector<ModuleFrames>& modules, KernelRelease release) {
  std::vector<AliasCall> calls;
  for (const ModuleFrames& module : modules) {
    AppendTo(calls, Load(module, release));
    AppendTo(calls, FreeOfInitText(module, release));
  }
  return calls;
}

CallComparison Compare(std::vector<AliasCall> calls, KernelRelease release) {
  CallTally tally;
  ExplainAliasCalls(std::move(calls), release, tally);
  CallComparison sum;
  for (const CallComparison& row : tally.comparisons()) {
    sum.recorded += row.recorded;
    sum.generated += row.generated;
    sum.equal += row.equal;
    sum.learned += row.learned;
  }
  return sum;
}

TEST(AliasExplainerTest, LoadsAreGeneratedOnceTheirFramesAreKnown) {
  for (const KernelRelease release : kReleases) {
    SCOPED_TRACE(static_cast<int>(release));
    const std::vector<AliasCall> calls = Loads({Module(0), Module(10000), Module(20000)}, release);
    const CallComparison sum = Compare(calls, release);
    EXPECT_EQ(sum.recorded, static_cast<int64_t>(calls.size()));
    EXPECT_EQ(sum.generated, sum.recorded);
    EXPECT_EQ(sum.equal + sum.learned, sum.recorded);
    // 17 frames a module; on 6.1 data is never asked for.
    EXPECT_EQ(sum.learned, release == KernelRelease::k6_1 ? 3 * 11 : 3 * 17);
  }
}

// A frame that was there before cannot be learned again: it must be the one that is generated.
TEST(AliasExplainerTest, LaterCallForAnotherFrameIsADifference) {
  for (const KernelRelease release : kReleases) {
    SCOPED_TRACE(static_cast<int>(release));
    const std::vector<AliasCall> calls = Loads({Module(0)}, release);
    const int64_t equal = Compare(calls, release).equal;
    std::set<FrameNumber> seen;
    int changed = 0;
    for (size_t i = 0; i < calls.size(); ++i) {
      if (seen.insert(calls[i].call.request.range.first).second) continue;
      std::vector<AliasCall> other = calls;
      other[i].call.request.range = {FrameNumber(77777), FrameNumber(77778)};
      EXPECT_LT(Compare(other, release).equal, equal) << i;
      ++changed;
    }
    EXPECT_EQ(changed, equal);
    EXPECT_GT(changed, 0);
  }
}

TEST(AliasExplainerTest, CallWithOtherMasksIsADifference) {
  for (const KernelRelease release : kReleases) {
    SCOPED_TRACE(static_cast<int>(release));
    const std::vector<AliasCall> calls = Loads({Module(0)}, release);
    for (size_t i = 0; i < calls.size(); ++i) {
      std::vector<AliasCall> other = calls;
      other[i].call.request.set = model::EntryFlags(model::EntryFlags::kGlobal);
      const CallComparison sum = Compare(other, release);
      EXPECT_LT(sum.equal + sum.learned, sum.recorded) << i;
    }
  }
}

TEST(AliasExplainerTest, AreasOfAModuleBecomeKnown) {
  CallTally tally;
  const std::vector<KnownArea> areas =
      ExplainAliasCalls(Loads({Module(0)}, KernelRelease::k7_3), KernelRelease::k7_3, tally);
  // Text is in the ROX cache.
  ASSERT_EQ(areas.size(), 4U);
  for (const KnownArea& known : areas) {
    EXPECT_FALSE(known.area.divisible);
    EXPECT_EQ(known.area.user, CallUser::kModule);
  }
}

TEST(AliasExplainerTest, FreeOfTextIsFoundBetweenOtherCalls) {
  constexpr KernelRelease kRelease = KernelRelease::k7_3;
  std::vector<AliasCall> calls = Load(Module(0), kRelease);
  std::vector<AliasCall> second = Loads({Module(10000)}, kRelease);
  const std::vector<AliasCall> freed = FreeOfInitText(Module(0), kRelease);
  // In the middle of the second load's first part.
  second.insert(second.begin() + 2, freed.begin(), freed.end());
  AppendTo(calls, second);
  const CallComparison sum = Compare(calls, kRelease);
  EXPECT_EQ(sum.equal + sum.learned, static_cast<int64_t>(calls.size()));
  EXPECT_EQ(sum.generated, sum.recorded);
}

TEST(AliasExplainerTest, InitTextThatIsNotFreedIsADifference) {
  const CallComparison sum = Compare(Load(Module(0), KernelRelease::k7_3), KernelRelease::k7_3);
  EXPECT_EQ(sum.generated - sum.recorded, 6);  // NX, RW, ROX on two pages
}

TEST(AliasExplainerTest, PackIsLearnedAsOneArea) {
  std::vector<AliasCall> calls;
  const auto ro = workload::AttributeChangesOf(workload::SetMemoryFunction::kRox, KernelRelease::k6_12).front();
  for (const DirectMapCall& call : workload::AliasCallsOf4K(ro, FramesFrom(9000, 512), KernelRelease::k6_12)) {
    calls.push_back({.position = calls.size(), .step = 2, .user = CallUser::kBpf, .packs = true, .call = call});
  }
  CallTally tally;
  const std::vector<KnownArea> areas = ExplainAliasCalls(calls, KernelRelease::k6_12, tally);
  ASSERT_EQ(areas.size(), 1U);
  EXPECT_EQ(areas[0].area.frames, FramesFrom(9000, 512));
  EXPECT_EQ(tally.comparisons(), (std::vector<CallComparison>{{2, CallUser::kBpf, 512, 512, 0, 512}}));
}

TEST(AliasExplainerTest, BlockOf7_3IsAskedOnceAndFreedInThreeCalls) {
  constexpr KernelRelease kRelease = KernelRelease::k7_3;
  std::vector<AliasCall> calls;
  for (const auto function : {workload::SetMemoryFunction::kRox, workload::SetMemoryFunction::kNx,
                              workload::SetMemoryFunction::kRw, workload::SetMemoryFunction::kRox}) {
    const auto change = workload::AttributeChangesOf(function, kRelease).front();
    const DirectMapCall call = workload::AliasCallsOf2M(change, FrameNumber(1024), kRelease).front();
    calls.push_back({.position = calls.size(), .step = 2, .user = CallUser::kBpf, .packs = true, .call = call});
  }
  CallTally tally;
  ExplainAliasCalls(calls, kRelease, tally);
  EXPECT_EQ(tally.comparisons(), (std::vector<CallComparison>{{2, CallUser::kBpf, 4, 4, 3, 1}}));
}

// Whatever was recorded, every call is judged once.
TEST(AliasExplainerTest, RandomCallsAreCountedOnce) {
  constexpr workload::SetMemoryFunction kFunctions[] = {
      workload::SetMemoryFunction::kRo, workload::SetMemoryFunction::kRw, workload::SetMemoryFunction::kNx};
  workload::Random random(7);
  for (const KernelRelease release : kReleases) {
    for (int round = 0; round < 300; ++round) {
      std::vector<AliasCall> calls;
      for (uint64_t i = 0; i < 40; ++i) {
        const auto change = workload::AttributeChangesOf(kFunctions[random.Below(3)], release).front();
        AliasCall call;
        call.position = i;
        call.step = 1;
        call.user = random.Below(8) == 0 ? CallUser::kBpf : CallUser::kModule;
        const FrameNumber first(random.Below(16));
        const uint64_t pages = random.Below(20) == 0 ? 512 : 1;
        call.call.request.range = {first, first + model::FrameCount(pages)};
        const auto alias = workload::AliasOf(change);
        call.call.request.set = alias.set;
        call.call.request.clear = alias.clear;
        calls.push_back(call);
      }
      const CallComparison sum = Compare(calls, release);
      ASSERT_EQ(sum.recorded, 40);
      ASSERT_LE(sum.equal + sum.learned, sum.recorded);
      ASSERT_GE(sum.generated, sum.equal + sum.learned);
    }
  }
}

}  // namespace
}  // namespace dmfrag::experiment
