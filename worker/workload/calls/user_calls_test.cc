// The short sequences: secretmem, vfree, BPF, the ROX cache, graphics, memory failure, page tables.
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "worker/workload/calls/bpf_calls.h"
#include "worker/workload/calls/encryption_calls.h"
#include "worker/workload/calls/execmem_calls.h"
#include "worker/workload/calls/graphics_calls.h"
#include "worker/workload/calls/memory_failure_calls.h"
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
using model::FrameRange;
using model::KernelRelease;
using Op = CpaCall::Op;

const std::vector<FrameNumber> kScattered = {FrameNumber(900), FrameNumber(77), FrameNumber(78)};
constexpr model::VirtualRange kPack = {model::VirtualPage(1024), model::VirtualPage(1536)};

DirectMapCall Change(const UserCall& call) { return std::get<DirectMapCall>(call); }

FrameNumber FrameOf(const UserCall& call) { return Change(call).request.range.first; }

TEST(SecretmemCallsTest, FaultTakesThePageOutAndFlushesIt) {
  const UserCalls calls = SecretmemFault(FrameNumber(900), KernelRelease::k6_12);
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_EQ(Change(calls[0]).op, Op::kSetDirectMapInvalid);
  EXPECT_EQ(FrameOf(calls[0]), FrameNumber(900));
  EXPECT_EQ(std::get<KernelRangeFlush>(calls[1]).pages, FrameCount(1));
}

TEST(SecretmemCallsTest, FreePutsPagesBackByIndexWithoutFlush) {
  const UserCalls calls = SecretmemFree(kScattered);
  ASSERT_EQ(calls.size(), kScattered.size());
  for (size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(Change(calls[i]).op, Op::kSetDirectMapDefault);
    EXPECT_EQ(FrameOf(calls[i]), kScattered[i]);
  }
}

TEST(VmallocCallsTest, AllPagesGoOutThenOneFlushThenAllComeBack) {
  const UserCalls calls = VfreeWithPermissionReset(kScattered, KernelRelease::k6_1);
  ASSERT_EQ(calls.size(), 7U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(Change(calls[i]).op, Op::kSetDirectMapInvalid);
    EXPECT_EQ(FrameOf(calls[i]), kScattered[i]);
    EXPECT_EQ(Change(calls[4 + i]).op, Op::kSetDirectMapDefault);
    EXPECT_EQ(FrameOf(calls[4 + i]), kScattered[i]);
  }
  // Far beyond the ceiling above which a range flush is a full one.
  EXPECT_GT(std::get<KernelRangeFlush>(calls[3]).pages, FrameCount(1 << 20));
}

TEST(BpfCallsTest, PackIsOneRequestAndTwoOn6_1) {
  EXPECT_EQ(BpfPackAllocate(kPack, KernelRelease::k6_1).size(), 2U);
  for (const KernelRelease release : {KernelRelease::k6_12, KernelRelease::k6_18, KernelRelease::k7_3}) {
    const UserCalls calls = BpfPackAllocate(kPack, release);
    ASSERT_EQ(calls.size(), 1U);
    EXPECT_EQ(std::get<model::VirtualAttributeRequest>(calls[0]).range, kPack);
  }
}

TEST(BpfCallsTest, PackIsFreedPageByPageButAsABlockOn7_3) {
  EXPECT_EQ(BpfPackFree(kPack, kScattered, KernelRelease::k6_18),
            VfreeWithPermissionReset(kScattered, KernelRelease::k6_18));
  std::vector<FrameNumber> block;
  for (uint64_t i = 0; i < 512; ++i) block.push_back(FrameNumber(1024 + i));
  const UserCalls calls = BpfPackFree(kPack, block, KernelRelease::k7_3);
  ASSERT_EQ(calls.size(), 4U);  // NX, RW, ROX, and back to the allocator
  EXPECT_EQ(Change(calls[3]).op, Op::kSetDirectMapDefault);
  EXPECT_EQ(Change(calls[3]).request.range, (FrameRange{FrameNumber(1024), FrameNumber(1536)}));
}

TEST(BpfCallsTest, PackOfSinglePagesIsGivenBackRunByRunOn7_3) {
  const std::vector<FrameNumber> frames = {FrameNumber(7), FrameNumber(8), FrameNumber(20)};
  const UserCalls calls = BpfPackFree(kPack, frames, KernelRelease::k7_3);
  ASSERT_EQ(calls.size(), 5U);
  EXPECT_EQ(Change(calls[3]).request.range, (FrameRange{FrameNumber(7), FrameNumber(9)}));
  EXPECT_EQ(Change(calls[4]).request.range, (FrameRange{FrameNumber(20), FrameNumber(21)}));
}

TEST(BpfCallsTest, ImageOf5_17IsReadOnlyAndThenExecutable) {
  const model::VirtualRange image = {model::VirtualPage(3), model::VirtualPage(6)};
  const UserCalls calls = BpfImageLockRo(image, KernelRelease::k5_17);
  ASSERT_EQ(calls.size(), 2U);
  const auto& read_only = std::get<model::VirtualAttributeRequest>(calls[0]);
  EXPECT_EQ(read_only.range, image);
  EXPECT_EQ(read_only.clear, EntryFlags(EntryFlags::kWritable));
  EXPECT_EQ(std::get<model::VirtualAttributeRequest>(calls[1]).clear, EntryFlags(EntryFlags::kNoExecute));
}

TEST(BpfCallsTest, ProgramWithoutJitIsReadOnly) {
  const model::VirtualRange page = {model::VirtualPage(3), model::VirtualPage(4)};
  const UserCalls calls = BpfProgramLockRo(page, KernelRelease::k6_12);
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(std::get<model::VirtualAttributeRequest>(calls[0]).clear,
            EntryFlags(EntryFlags::kWritable | EntryFlags::kDirty));
}

TEST(ExecmemCallsTest, PartIsFreedByTextPokeOn6_16) {
  EXPECT_TRUE(ExecmemFree(kPack, KernelRelease::k6_16).empty());
  EXPECT_EQ(ExecmemFree(kPack, KernelRelease::k6_18).size(), 3U);
  EXPECT_TRUE(std::get<model::VirtualAttributeRequest>(ExecmemPopulate(kPack, KernelRelease::k6_16)[0]).collapse);
}

TEST(GraphicsCallsTest, ArrayGoesPageByPageAndFlushesOnceAPass) {
  const UserCalls calls = SetPagesArray(kScattered, ArrayMemoryType::kWriteCombining);
  // Two passes of two runs (900; 77 and 78) and a flush.
  ASSERT_EQ(calls.size(), 6U);
  for (const size_t pass : {0U, 3U}) {
    EXPECT_EQ(Change(calls[pass]).request.range.count(), FrameCount(1));
    EXPECT_EQ(Change(calls[pass + 1]).request.range, (FrameRange{FrameNumber(77), FrameNumber(79)}));
    EXPECT_TRUE(Change(calls[pass + 1]).request.array);
    EXPECT_EQ(std::get<KernelRangeFlush>(calls[pass + 2]).pages, FrameCount(3));
  }
  EXPECT_EQ(Change(calls[0]).request.set, EntryFlags(EntryFlags::kCacheDisable));
  EXPECT_EQ(Change(calls[3]).request.set, EntryFlags(EntryFlags::kWriteThrough));
  EXPECT_TRUE(SetPagesArray({}, ArrayMemoryType::kWriteBack).empty());
}

TEST(GraphicsCallsTest, BlockGoesBackAsARange) {
  const FrameRange block = {FrameNumber(1024), FrameNumber(1536)};
  const UserCalls calls = SetPagesWb(block, KernelRelease::k6_12);
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(Change(calls[0]).request.range, block);
  EXPECT_FALSE(Change(calls[0]).request.array);
}

TEST(MemoryFailureCallsTest, PoisonedPageIsNotPresentUntilUnpoisoned) {
  const UserCalls poison = SetMceNospec(FrameNumber(7), KernelRelease::k6_12);
  ASSERT_EQ(poison.size(), 1U);
  EXPECT_EQ(Change(poison[0]).request.clear, EntryFlags(EntryFlags::kPresent));
  EXPECT_EQ(Change(poison[0]).request.range.count(), FrameCount(1));
  const UserCalls clear = ClearMceNospec(FrameNumber(7), KernelRelease::k6_12);
  ASSERT_EQ(clear.size(), 1U);
  EXPECT_EQ(Change(clear[0]).request.set, EntryFlags(EntryFlags::kPresent));
}

TEST(XpfoCallsTest, EntryIsEmptiedAndFlushedAndComesBackWhole) {
  const UserCalls got = XpfoAllocate(FrameNumber(7));
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(Change(got[0]).request.clear, EntryFlags::PageKernel());
  EXPECT_FALSE(Change(got[0]).request.flush);
  EXPECT_EQ(std::get<KernelRangeFlush>(got[1]).pages, FrameCount(1));
  const UserCalls freed = XpfoFree(FrameNumber(7));
  ASSERT_EQ(freed.size(), 1U);
  EXPECT_EQ(Change(freed[0]).request.set, EntryFlags::PageKernel());
  EXPECT_EQ(FrameOf(freed[0]), FrameNumber(7));
  EXPECT_FALSE(Change(freed[0]).request.flush);
}

TEST(EncryptionCallsTest, OneChangeOfTheRangeBetweenTwoFlushes) {
  const FrameRange block = {FrameNumber(1024), FrameNumber(1536)};
  const EntryFlags shared(EntryFlags::kShared);
  for (const bool decrypted : {true, false}) {
    const UserCalls calls = decrypted ? SetMemoryDecrypted(block) : SetMemoryEncrypted(block);
    ASSERT_EQ(calls.size(), 3U);
    for (const size_t flush : {0U, 2U}) EXPECT_EQ(std::get<KernelRangeFlush>(calls[flush]).pages, FrameCount(512));
    EXPECT_EQ(Change(calls[1]).request.range, block);
    EXPECT_EQ(Change(calls[1]).request.set, decrypted ? shared : EntryFlags());
    EXPECT_EQ(Change(calls[1]).request.clear, decrypted ? EntryFlags() : shared);
    EXPECT_FALSE(Change(calls[1]).request.flush);
  }
}

TEST(PageTableCallsTest, TablesAreFreedInBatches) {
  EXPECT_EQ(kMaxTableBatch, 509U);
  const std::vector<FrameNumber> tables(1020, FrameNumber(5));
  const std::vector<UserCalls> batches = PageTableFree(tables);
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_EQ(batches[0].size(), 509U);
  EXPECT_EQ(batches[2].size(), 2U);
  EXPECT_EQ(Change(batches[2][1]).op, Op::kSetDirectMapDefault);
  EXPECT_EQ(PageTableAllocate(FrameNumber(5), KernelRelease::k6_12).size(), 1U);
}

}  // namespace
}  // namespace dmfrag::workload
