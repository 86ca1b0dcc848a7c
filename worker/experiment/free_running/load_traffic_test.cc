#include "worker/experiment/free_running/load_traffic.h"

#include <set>

#include "gtest/gtest.h"

namespace dmfrag::experiment {
namespace {

using model::KernelRelease;
using workload::Random;

class LiveSink : public RequestSink {
 public:
  std::optional<PageId> Allocate(model::Order order, model::Migratetype type, uint32_t cpu) override {
    EXPECT_EQ(type, model::Migratetype::kUnmovable);
    cpus.insert(cpu);
    frames += order.frames().raw();
    live.insert(next_);
    return next_++;
  }
  void Free(PageId page, uint32_t) override { EXPECT_EQ(live.erase(page), 1); }
  std::vector<PageId> AllocateArea(uint64_t pages, uint32_t cpu) override {
    std::vector<PageId> area;
    for (; pages > 0; --pages) area.push_back(*Allocate(model::Order(0), model::Migratetype::kUnmovable, cpu));
    return area;
  }
  void HidePage(PageId page, uint32_t) override { hidden.insert(page); }
  void ShowPage(PageId page, uint32_t) override { EXPECT_EQ(hidden.erase(page), 1); }
  model::FrameCount FreeFrames() const override { return model::FrameCount(0); }
  void CompactAll() override {}

  std::set<PageId> live;
  std::set<PageId> hidden;
  std::set<uint32_t> cpus;
  uint64_t frames = 0;

 private:
  PageId next_ = 0;
};

TEST(LoadTrafficTest, KnowsLoads) {
  EXPECT_TRUE(LoadTraffic::IsLoad("insmod loop"));
  EXPECT_TRUE(LoadTraffic::IsLoad("insall m0"));
  EXPECT_TRUE(LoadTraffic::IsLoad("ebpf p 1 2 3"));
  EXPECT_FALSE(LoadTraffic::IsLoad("secret s 1"));
  EXPECT_FALSE(LoadTraffic::IsLoad("rmall"));
}

TEST(LoadTrafficTest, AModuleKeepsSlabsUntilItsPagesAreFreed) {
  LiveSink sink;
  LoadTraffic traffic(&sink, KernelRelease::k6_1, 1, Random(1));
  traffic.Begin("insmod ext4", 100);
  EXPECT_EQ(traffic.NextPart(), 100);
  EXPECT_EQ(sink.live.size(), 200) << "the file";
  traffic.End();
  EXPECT_EQ(sink.live.size(), 40) << "slabs of two pages, taken when the file is gone";
  for (int page = 0; page < 50; ++page) traffic.ModulePagesFreed(1);
  EXPECT_EQ(sink.live.size(), 20) << "pages that come one by one are worth their part of the slabs";
  traffic.ModulePagesFreed(50);
  EXPECT_TRUE(sink.live.empty());
}

TEST(LoadTrafficTest, ModulesOfAListHaveTheSameSizesAtEveryLoad) {
  LiveSink sink;
  LoadTraffic traffic(&sink, KernelRelease::k7_3, 1, Random(1));
  std::vector<uint64_t> sizes[3];
  const char* lists[] = {"insall m0", "insall m0", "insall m1"};
  for (int load = 0; load < 3; ++load) {
    traffic.Begin(lists[load], 1000);
    for (int part = 0; part < 100; ++part) sizes[load].push_back(traffic.NextPart());
    traffic.End();
  }
  EXPECT_EQ(sizes[0], sizes[1]);
  EXPECT_NE(sizes[0], sizes[2]);
}

TEST(LoadTrafficTest, ProgramsAreSpreadOverThePacksAndFreedByName) {
  LiveSink sink;
  LoadTraffic traffic(&sink, KernelRelease::k6_12, 1, Random(1));
  traffic.Begin("ebpf p 30 1024 1024", 1024);
  EXPECT_EQ(traffic.NextPart(), 512);
  EXPECT_EQ(sink.live.size(), 10 * 3);
  EXPECT_EQ(traffic.NextPart(), 512);
  traffic.End();
  EXPECT_EQ(sink.live.size(), 30 * 3);
  EXPECT_FALSE(traffic.FreePrograms("free q"));
  EXPECT_FALSE(traffic.FreePrograms("dump"));
  EXPECT_TRUE(traffic.FreePrograms("freepct p 50"));
  EXPECT_LT(sink.live.size(), 30 * 3);
  EXPECT_TRUE(traffic.FreePrograms("free p"));
  EXPECT_TRUE(sink.live.empty());
}

TEST(LoadTrafficTest, ProgramsWithoutANewPackAreLoadedAllTheSame) {
  LiveSink sink;
  LoadTraffic traffic(&sink, KernelRelease::k6_12, 1, Random(1));
  traffic.Begin("ebpf p 5 2 2", 0);
  traffic.End();
  EXPECT_EQ(sink.live.size(), 5);
}

TEST(LoadTrafficTest, UnrecordedModulesSetTheirOwnPages) {
  LiveSink sink;
  LoadTraffic traffic(&sink, KernelRelease::k7_3, 1, Random(1));
  traffic.LoadUnrecorded("insall m0");
  EXPECT_GE(sink.hidden.size(), 28 * 12);
  traffic.UnloadUnrecorded();
  EXPECT_TRUE(sink.hidden.empty());
  EXPECT_TRUE(sink.live.empty());
}

TEST(LoadTrafficTest, LoadsWakeUpOnAnyProcessor) {
  LiveSink sink;
  LoadTraffic traffic(&sink, KernelRelease::k6_12, 4, Random(1));
  traffic.LoadUnrecorded("insall m0");
  EXPECT_EQ(sink.cpus, (std::set<uint32_t>{0, 1, 2, 3}));
}

}  // namespace
}  // namespace dmfrag::experiment
