#include "worker/workload/calls/not_present_calls.h"

#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "worker/workload/calls/bpf_calls.h"
#include "worker/workload/calls/page_table_calls.h"
#include "worker/workload/calls/secretmem_calls.h"
#include "worker/workload/calls/set_memory.h"
#include "worker/workload/calls/vmalloc_calls.h"
#include "worker/workload/calls/xpfo_calls.h"

namespace dmfrag::workload {
namespace {

using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using model::KernelRelease;
using model::VirtualPage;

constexpr KernelRelease kRelease = KernelRelease::k6_12;
constexpr FrameNumber kPage(4711);

template <typename Call>
size_t CountOf(const UserCalls& calls) {
  size_t count = 0;
  for (const UserCall& call : calls) count += std::holds_alternative<Call>(call) ? 1 : 0;
  return count;
}

TEST(NotPresentCallsTest, CategoryOneHasNothingLeftToDo) {
  for (const UserCalls& calls :
       {SecretmemFault(kPage, kRelease), SecretmemFree(std::vector{kPage}), XpfoAllocate(kPage), XpfoFree(kPage)}) {
    ASSERT_FALSE(calls.empty());
    EXPECT_TRUE(WithoutDirectMap(calls, /*is_mapped_elsewhere=*/false).empty());
  }
}

TEST(NotPresentCallsTest, TheFlushOfAnotherMappingStays) {
  const std::vector<FrameNumber> frames = {kPage, FrameNumber(9000)};
  const UserCalls reset = WithoutDirectMap(VfreeWithPermissionReset(frames, kRelease), /*is_mapped_elsewhere=*/true);
  ASSERT_EQ(reset.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<KernelRangeFlush>(reset[0]));
}

TEST(NotPresentCallsTest, CallsOnAnAreaLeaveTheDirectMapAlone) {
  const UserCalls set = BpfImageLockRo({VirtualPage(100), VirtualPage(103)}, kRelease);
  const UserCalls left = WithoutDirectMap(set, /*is_mapped_elsewhere=*/true);
  ASSERT_EQ(left.size(), set.size());
  for (const UserCall& call : left) {
    EXPECT_FALSE(std::get<model::VirtualAttributeRequest>(call).check_alias);
  }
}

TEST(NotPresentCallsTest, CategoryTwoGetsItsPermissionAtOnceAndWithoutAFlush) {
  const UserCalls calls = SetFromNotPresent(PageTableAllocate(kPage, kRelease));
  ASSERT_EQ(calls.size(), 1U);
  const model::AttributeRequest& request = std::get<DirectMapCall>(calls[0]).request;
  EXPECT_EQ(request.range.first, kPage);
  EXPECT_EQ(request.range.count(), FrameCount(1));
  EXPECT_TRUE(request.set.Has(EntryFlags::kPresent));
  EXPECT_FALSE(request.set.Has(EntryFlags::kWritable));
  EXPECT_FALSE(request.clear.Has(EntryFlags::kPresent));
  EXPECT_FALSE(request.flush);
  EXPECT_FALSE(request.check_alias);
}

TEST(NotPresentCallsTest, OnlyAMemoryTypeFlushes) {
  const model::FrameRange range{kPage, kPage + FrameCount(1)};
  for (const SetMemoryFunction function : {SetMemoryFunction::kUc, SetMemoryFunction::kWc}) {
    bool flushes = false;
    for (const UserCall& call : SetFromNotPresent(SetMemory(function, range, kRelease))) {
      const model::AttributeRequest& request = std::get<DirectMapCall>(call).request;
      EXPECT_TRUE(request.set.Has(EntryFlags::kPresent) && request.set.Has(EntryFlags::kWritable));
      flushes = flushes || request.flush;
    }
    EXPECT_TRUE(flushes);
  }
}

TEST(NotPresentCallsTest, PagesLeaveTheDirectMapAtOneFlush) {
  const std::vector<FrameNumber> frames = {kPage, FrameNumber(9000), FrameNumber(9001)};
  const UserCalls calls = ResetToNotPresent(frames);
  EXPECT_EQ(CountOf<DirectMapCall>(calls), 3U);
  ASSERT_EQ(calls.size(), 4U);
  for (size_t i = 0; i < frames.size(); ++i) {
    const model::AttributeRequest& request = std::get<DirectMapCall>(calls[i]).request;
    EXPECT_EQ(request.range.first, frames[i]);
    EXPECT_TRUE(request.clear.Has(EntryFlags::kPresent));
    EXPECT_FALSE(request.flush);
  }
  EXPECT_EQ(std::get<KernelRangeFlush>(calls[3]).pages, FrameCount(3));
}

}  // namespace
}  // namespace dmfrag::workload
