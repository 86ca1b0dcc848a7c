#include "worker/workload/calls/alias_calls.h"

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "gtest/gtest.h"
#include "worker/model/attribute_changer.h"
#include "worker/model/memory_map.h"
#include "worker/model/virtual_map.h"
#include "worker/workload/calls/trace_excerpt.h"

namespace dmfrag::workload {
namespace {

using model::AttributeRequest;
using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using model::KernelRelease;
using model::VirtualPage;

constexpr KernelRelease kReleases[] = {KernelRelease::k6_1, KernelRelease::k6_12, KernelRelease::k6_16,
                                       KernelRelease::k6_18, KernelRelease::k7_3};

// The model's CPA on vmalloc addresses, and what it asked the direct map.
class MappedMemory : public model::CpaObserver, public model::TablePageSource {
 public:
  explicit MappedMemory(KernelRelease release)
      : map_(model::DirectMap::Boot(*model::MemoryMap::Pc(uint64_t{8} << 30), {}, EntryFlags::PageKernel())),
        counters_(model::DirectMapCounters::Of(map_)),
        changer_(&map_, &counters_, this, model::TlbFlushes(1), model::CpaRules::Of(release)) {
    changer_.Observe(this);
  }
  void OnRequest(const AttributeRequest& request) override { requests.push_back(request); }
  void OnSplit(model::MapLevel, FrameNumber) override { ++splits; }
  void OnCollapse(model::MapLevel, FrameNumber) override {}
  std::optional<FrameNumber> TakeTable(model::MapLevel, FrameNumber) override { return FrameNumber(1 << 30); }
  void ReturnTable(FrameNumber) override {}

  void Change(VirtualPage first, uint64_t pages, const AttributeChange& change) {
    model::VirtualAttributeRequest request;
    request.range = {first, first + FrameCount(pages)};
    request.set = change.set;
    request.clear = change.clear;
    request.collapse = change.collapse;
    ASSERT_EQ(changer_.Change(mapping, request, events_), model::CpaOutcome::kDone);
  }

  model::VirtualMap mapping{model::VirtualMap::Kind::kVmalloc};
  std::vector<AttributeRequest> requests;
  int splits = 0;

 private:
  model::DirectMap map_;
  model::DirectMapCounters counters_;
  model::AttributeChanger changer_;
  model::EventCounters events_;
};

void ExpectRequests(const std::vector<AttributeRequest>& requests, const std::vector<DirectMapCall>& calls) {
  ASSERT_EQ(requests.size(), calls.size());
  for (size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(requests[i].range, calls[i].request.range);
    EXPECT_EQ(requests[i].set, calls[i].request.set);
    EXPECT_EQ(requests[i].clear, calls[i].request.clear);
  }
}

constexpr SetMemoryFunction kFunctions[] = {SetMemoryFunction::kRo, SetMemoryFunction::kRw, SetMemoryFunction::kX,
                                            SetMemoryFunction::kNx, SetMemoryFunction::kRox};

TEST(AliasCallsTest, OfSinglePagesAreWhatTheModelAsks) {
  const std::vector<FrameNumber> frames = {FrameNumber(5000), FrameNumber(4999), FrameNumber(70000)};
  for (const KernelRelease release : kReleases) {
    for (const SetMemoryFunction function : kFunctions) {
      for (const AttributeChange& change : AttributeChangesOf(function, release)) {
        MappedMemory memory(release);
        for (size_t i = 0; i < frames.size(); ++i) {
          memory.mapping.Map4K(VirtualPage(1000 + i), frames[i], EntryFlags::PageKernel());
        }
        memory.Change(VirtualPage(1000), frames.size(), change);
        ExpectRequests(memory.requests, AliasCallsOf4K(change, frames, release));
      }
    }
  }
}

TEST(AliasCallsTest, OfAWholeLargePageAreWhatTheModelAsks) {
  for (const KernelRelease release : kReleases) {
    for (const SetMemoryFunction function : kFunctions) {
      for (const AttributeChange& change : AttributeChangesOf(function, release)) {
        MappedMemory memory(release);
        memory.mapping.Map2M(VirtualPage(1024), FrameNumber(5120), EntryFlags::PageKernel());
        memory.Change(VirtualPage(1024), 512, change);
        ExpectRequests(memory.requests, AliasCallsOf2M(change, FrameNumber(5120), release));
        EXPECT_EQ(memory.splits, 0);
      }
    }
  }
}

TEST(AliasCallsTest, PassNothingOnOfNxAloneBefore6_2) {
  const std::vector<FrameNumber> frames = {FrameNumber(7)};
  const AttributeChange nx = AttributeChangesOf(SetMemoryFunction::kNx, KernelRelease::k6_1).front();
  EXPECT_TRUE(AliasCallsOf4K(nx, frames, KernelRelease::k6_1).empty());
  const std::vector<DirectMapCall> later = AliasCallsOf4K(nx, frames, KernelRelease::k6_12);
  ASSERT_EQ(later.size(), 1U);
  EXPECT_TRUE(later[0].request.set.empty());
}

// One request of a trace and the direct-map calls that followed.
struct Traced {
  TracedCall request;
  std::vector<TracedCall> aliases;
};

std::vector<Traced> ReadRequests() {
  std::vector<Traced> requests;
  for (const TracedCall& call : ReadTraceExcerpt("alias_calls.trace")) {
    if (call.direct_map) {
      requests.back().aliases.push_back(call);
    } else {
      requests.push_back({.request = call, .aliases = {}});
    }
  }
  return requests;
}

// Every page of a request has the frame that its first alias call told; later requests on it must come to the same.
TEST(AliasCallsTest, AreThoseOfKernels) {
  std::map<KernelRelease, std::unique_ptr<MappedMemory>> memories;
  std::map<KernelRelease, int> compared;
  for (const Traced& traced : ReadRequests()) {
    const TracedCall& request = traced.request;
    auto& memory = memories[request.release];
    if (!memory) memory = std::make_unique<MappedMemory>(request.release);
    uint64_t page = request.page;
    for (const TracedCall& alias : traced.aliases) {
      if (!memory->mapping.Lookup(VirtualPage(page)).has_value()) {
        if (alias.pages == 512) {
          memory->mapping.Map2M(VirtualPage(page), FrameNumber(alias.page), EntryFlags::PageKernel());
        } else {
          memory->mapping.Map4K(VirtualPage(page), FrameNumber(alias.page), EntryFlags::PageKernel());
        }
      }
      page += alias.pages;
    }
    memory->requests.clear();
    memory->Change(VirtualPage(request.page), request.pages, {.set = request.set, .clear = request.clear});
    std::vector<DirectMapCall> recorded;
    for (const TracedCall& alias : traced.aliases) {
      DirectMapCall call;
      call.request.range = {FrameNumber(alias.page), FrameNumber(alias.page) + FrameCount(alias.pages)};
      call.request.set = alias.set;
      call.request.clear = alias.clear;
      recorded.push_back(call);
    }
    ExpectRequests(memory->requests, recorded);
    compared[request.release] += static_cast<int>(recorded.size());
  }
  EXPECT_EQ(compared[KernelRelease::k6_1], 14);
  EXPECT_EQ(compared[KernelRelease::k6_12], 7);
  EXPECT_GE(compared[KernelRelease::k7_3], 30);
}

}  // namespace
}  // namespace dmfrag::workload
