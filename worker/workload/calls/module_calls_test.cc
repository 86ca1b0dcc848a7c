#include "worker/workload/calls/module_calls.h"

#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "worker/workload/calls/trace_excerpt.h"

namespace dmfrag::workload {
namespace {

using model::FrameCount;
using model::KernelRelease;
using model::VirtualPage;
using Kind = ModuleMemory;

model::VirtualRange At(uint64_t address, uint64_t pages) {
  const VirtualPage first(address / model::kFrameBytes);
  return {first, first + FrameCount(pages)};
}

// The requests of a load and of the end of the init function.
std::vector<model::VirtualAttributeRequest> Load(const ModuleLayout& layout, KernelRelease release) {
  UserCalls calls = ModuleAllocate(layout, release);
  Append(ModuleProtect(layout, release), calls);
  Append(ModuleProtectAfterInit(layout, release), calls);
  std::vector<model::VirtualAttributeRequest> requests;
  for (const UserCall& call : calls) requests.push_back(std::get<model::VirtualAttributeRequest>(call));
  return requests;
}

// The trace has requests for no pages on 6.1; they are left out.
void ExpectTraced(const ModuleLayout& layout, KernelRelease release) {
  const std::vector<model::VirtualAttributeRequest> requests = Load(layout, release);
  size_t i = 0;
  for (const TracedCall& traced : ReadTraceExcerpt("module_load.trace")) {
    if (traced.release != release || traced.pages == 0) continue;
    ASSERT_LT(i, requests.size());
    EXPECT_EQ(requests[i].range.first.raw(), traced.page) << i;
    EXPECT_EQ(requests[i].range.count().raw(), traced.pages) << i;
    EXPECT_EQ(requests[i].set, traced.set) << i;
    EXPECT_EQ(requests[i].clear, traced.clear) << i;
    ++i;
  }
  EXPECT_EQ(i, requests.size());
  EXPECT_GT(i, 0U);
}

// Module loop of 6.1.192.
TEST(ModuleCallsTest, AreThoseOf6_1) {
  ModuleLayout layout;
  layout[Kind::kText] = At(0xffffffffc020e000, 4);
  layout[Kind::kRodata] = At(0xffffffffc0212000, 2);
  layout[Kind::kData] = At(0xffffffffc0214000, 2);
  layout[Kind::kInitText] = At(0xffffffffc0217000, 1);
  layout[Kind::kInitData] = At(0xffffffffc0218000, 4);
  ExpectTraced(layout, KernelRelease::k6_1);
}

// Module crc32c_generic of 6.12.117.
TEST(ModuleCallsTest, AreThoseOf6_12) {
  ModuleLayout layout;
  layout[Kind::kText] = At(0xffffffffc020f000, 1);
  layout[Kind::kData] = At(0xffffffffc0211000, 1);
  layout[Kind::kRodata] = At(0xffffffffc0213000, 1);
  layout[Kind::kInitText] = At(0xffffffffc0215000, 1);
  layout[Kind::kInitData] = At(0xffffffffc0217000, 1);
  ExpectTraced(layout, KernelRelease::k6_12);
}

// The first module loaded in the trace of 7.3.4.
TEST(ModuleCallsTest, AreThoseOf7_3) {
  ModuleLayout layout;
  layout[Kind::kText] = At(0xffffffffc0403000, 23);
  layout[Kind::kData] = At(0xffffffffc0201000, 16);
  layout[Kind::kRodata] = At(0xffffffffc0212000, 16);
  layout[Kind::kRoAfterInit] = At(0xffffffffc0223000, 1);
  layout[Kind::kInitText] = At(0xffffffffc041a000, 1);
  layout[Kind::kInitData] = At(0xffffffffc0225000, 15);
  ExpectTraced(layout, KernelRelease::k7_3);
}

TEST(ModuleCallsTest, TextAloneIsMadeWritableOn6_16) {
  ModuleLayout layout;
  layout[Kind::kText] = At(0xffffffffc0400000, 3);
  layout[Kind::kData] = At(0xffffffffc0200000, 1);
  const UserCalls calls = ModuleAllocate(layout, KernelRelease::k6_16);
  ASSERT_EQ(calls.size(), 2U);
  for (const UserCall& call : calls) {
    EXPECT_EQ(std::get<model::VirtualAttributeRequest>(call).range, layout[Kind::kText]);
  }
}

TEST(ModuleCallsTest, FreedTextIsRewrittenFrom6_17On) {
  ModuleLayout layout;
  layout[Kind::kText] = At(0xffffffffc0400000, 3);
  layout[Kind::kInitText] = At(0xffffffffc0403000, 1);
  EXPECT_TRUE(ModuleFreeCore(layout, KernelRelease::k6_12).empty());
  EXPECT_TRUE(ModuleFreeInit(layout, KernelRelease::k6_16).empty());
  const UserCalls init = ModuleFreeInit(layout, KernelRelease::k6_18);
  ASSERT_EQ(init.size(), 3U);
  EXPECT_EQ(std::get<model::VirtualAttributeRequest>(init[2]).range, layout[Kind::kInitText]);
  EXPECT_TRUE(std::get<model::VirtualAttributeRequest>(init[2]).collapse);
  EXPECT_EQ(ModuleFreeCore(layout, KernelRelease::k7_3).size(), 3U);
}

}  // namespace
}  // namespace dmfrag::workload
