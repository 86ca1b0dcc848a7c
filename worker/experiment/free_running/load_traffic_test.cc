#include "worker/experiment/free_running/load_traffic.h"

#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "worker/experiment/free_running/recording_sink.h"

namespace dmfrag::experiment {
namespace {

using model::KernelRelease;
using workload::Random;

class LoadTrafficTest : public ::testing::Test {
 protected:
  LoadTraffic TrafficOf(KernelRelease release, uint32_t cpus = 1) {
    return LoadTraffic(&sink_, release, cpus, Random(1));
  }

  RecordingSink sink_;
};

TEST_F(LoadTrafficTest, KnowsLoads) {
  EXPECT_TRUE(LoadTraffic::IsLoad("insmod loop"));
  EXPECT_TRUE(LoadTraffic::IsLoad("insall m0"));
  EXPECT_TRUE(LoadTraffic::IsLoad("ebpf p 1 2 3"));
  EXPECT_FALSE(LoadTraffic::IsLoad("secret s 1"));
  EXPECT_FALSE(LoadTraffic::IsLoad("rmall"));
}

TEST_F(LoadTrafficTest, AModuleKeepsSlabsUntilItsPagesAreFreed) {
  LoadTraffic traffic = TrafficOf(KernelRelease::k6_1);
  traffic.Begin("insmod ext4", 100);
  EXPECT_EQ(traffic.NextPart(), 100);
  EXPECT_EQ(sink_.live.size(), 200) << "the file";
  traffic.End();
  EXPECT_EQ(sink_.live.size(), 40) << "slabs of two pages, taken when the file is gone";
  for (int page = 0; page < 50; ++page) traffic.ModulePagesFreed(1);
  EXPECT_EQ(sink_.live.size(), 20) << "pages that come one by one are worth their part of the slabs";
  traffic.ModulePagesFreed(50);
  EXPECT_TRUE(sink_.live.empty());
}

TEST_F(LoadTrafficTest, ModulesOfAListHaveTheSameSizesAtEveryLoad) {
  LoadTraffic traffic = TrafficOf(KernelRelease::k7_3);
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

TEST_F(LoadTrafficTest, ProgramsAreSpreadOverThePacksAndFreedByName) {
  LoadTraffic traffic = TrafficOf(KernelRelease::k6_12);
  traffic.Begin("ebpf p 30 1024 1024", 1024);
  EXPECT_EQ(traffic.NextPart(), 512);
  EXPECT_EQ(sink_.live.size(), 10 * 3);
  EXPECT_EQ(traffic.NextPart(), 512);
  traffic.End();
  EXPECT_EQ(sink_.live.size(), 30 * 3);
  EXPECT_FALSE(traffic.FreePrograms("free q"));
  EXPECT_FALSE(traffic.FreePrograms("dump"));
  EXPECT_TRUE(traffic.FreePrograms("freepct p 50"));
  EXPECT_LT(sink_.live.size(), 30 * 3);
  EXPECT_TRUE(traffic.FreePrograms("free p"));
  EXPECT_TRUE(sink_.live.empty());
}

TEST_F(LoadTrafficTest, ProgramsWithoutANewPackAreLoadedAllTheSame) {
  LoadTraffic traffic = TrafficOf(KernelRelease::k6_12);
  traffic.Begin("ebpf p 5 2 2", 0);
  traffic.End();
  EXPECT_EQ(sink_.live.size(), 5);
}

TEST_F(LoadTrafficTest, UnrecordedModulesSetTheirOwnPages) {
  LoadTraffic traffic = TrafficOf(KernelRelease::k7_3);
  traffic.LoadUnrecorded("insall m0");
  EXPECT_GE(sink_.hidden.size(), 28 * 12);
  traffic.UnloadUnrecorded();
  EXPECT_TRUE(sink_.hidden.empty());
  EXPECT_TRUE(sink_.live.empty());
}

TEST_F(LoadTrafficTest, LoadsWakeUpOnAnyProcessor) {
  LoadTraffic traffic = TrafficOf(KernelRelease::k6_12, /*cpus=*/4);
  traffic.LoadUnrecorded("insall m0");
  std::set<uint32_t> cpus;
  for (const RecordingSink::Request& request : sink_.requests) cpus.insert(request.cpu);
  EXPECT_EQ(cpus, (std::set<uint32_t>{0, 1, 2, 3}));
}

TEST_F(LoadTrafficTest, NothingOfALoadCanMove) {
  LoadTraffic traffic = TrafficOf(KernelRelease::k6_12);
  traffic.Begin("ebpf p 30 1024 1024", 1024);
  traffic.End();
  traffic.Begin("insmod ext4", 100);
  traffic.NextPart();
  traffic.End();
  traffic.LoadUnrecorded("insall m0");
  ASSERT_FALSE(sink_.requests.empty());
  for (const RecordingSink::Request& request : sink_.requests) {
    EXPECT_EQ(request.type, model::Migratetype::kUnmovable);
  }
}

}  // namespace
}  // namespace dmfrag::experiment
