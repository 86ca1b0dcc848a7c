#include "worker/experiment/free_running/step_expansion.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "worker/experiment/free_running/recording_sink.h"

namespace dmfrag::experiment {
namespace {

using model::FrameCount;
using model::Migratetype;
using workload::Random;

class StepExpanderTest : public ::testing::Test {
 protected:
  RecordingSink sink_;
  StepExpander expander_{&sink_, 2, Random(1)};
};

TEST_F(StepExpanderTest, SecretPagesTakeATableEvery2MAndANodeSlabEvery28Nodes) {
  EXPECT_TRUE(expander_.Apply("secret s 2000"));
  EXPECT_EQ(sink_.Count(0, Migratetype::kUnmovable), 2000 + 4);
  EXPECT_EQ(sink_.Count(2, Migratetype::kReclaimable), 2);  // 32 nodes
  EXPECT_EQ(sink_.hidden.size(), 2000);
  EXPECT_TRUE(expander_.Apply("free s"));
  EXPECT_TRUE(sink_.hidden.empty());
  EXPECT_EQ(sink_.live.size(), 2);  // slabs stay
  EXPECT_FALSE(expander_.Apply("free s"));
}

TEST_F(StepExpanderTest, SlabsAreUsedAgain) {
  EXPECT_TRUE(expander_.Apply("secret s 64"));
  EXPECT_TRUE(expander_.Apply("free s"));
  EXPECT_TRUE(expander_.Apply("secret t 64"));
  EXPECT_EQ(sink_.Count(2, Migratetype::kReclaimable), 1);
}

TEST_F(StepExpanderTest, AnonymousMemoryIsMovableAndCanBePunched) {
  EXPECT_TRUE(expander_.Apply("anon a 1024"));
  EXPECT_EQ(sink_.Count(0, Migratetype::kMovable), 1024);
  EXPECT_EQ(sink_.Count(0, Migratetype::kUnmovable), 2);
  EXPECT_TRUE(expander_.Apply("apunch a 25"));
  EXPECT_NEAR(static_cast<double>(sink_.live.size()), 768 + 2, 60);
  EXPECT_TRUE(expander_.Apply("free a"));
  EXPECT_TRUE(sink_.live.empty());
}

TEST_F(StepExpanderTest, HugePagesPutATableBy) {
  EXPECT_TRUE(expander_.Apply("anonthp t 1030"));
  EXPECT_EQ(sink_.Count(9, Migratetype::kMovable), 2);
  EXPECT_EQ(sink_.Count(0, Migratetype::kMovable), 6);
  EXPECT_EQ(sink_.Count(0, Migratetype::kUnmovable), 2 + 1);
}

TEST_F(StepExpanderTest, FillStopsAtTheGivenFreeMemory) {
  EXPECT_TRUE(expander_.Apply("anonfill a 40000 0"));
  EXPECT_EQ(sink_.FreeFrames(), FrameCount(10000));
}

TEST_F(StepExpanderTest, FilesHaveInodesAndEntriesAndGoAsAWhole) {
  EXPECT_TRUE(expander_.Apply("files f 100 2 2"));
  EXPECT_EQ(sink_.Count(0, Migratetype::kMovable), 200);
  EXPECT_EQ(sink_.Count(2, Migratetype::kReclaimable), 5 + 4);  // inodes, and nodes
  EXPECT_EQ(sink_.Count(0, Migratetype::kReclaimable), 5);      // directory entries
  EXPECT_TRUE(expander_.Apply("freepct f 50"));
  EXPECT_EQ((sink_.live.size() - 14) % 2, 0);
  EXPECT_NEAR(static_cast<double>(sink_.live.size()), 100 + 14, 40);
  EXPECT_TRUE(expander_.Apply("free f"));
  EXPECT_EQ(sink_.live.size(), 14);
}

TEST_F(StepExpanderTest, SocketsLieInSlabs) {
  EXPECT_TRUE(expander_.Apply("socks k 80"));
  EXPECT_EQ(sink_.Count(3, Migratetype::kUnmovable), 10);
  EXPECT_EQ(sink_.Count(0, Migratetype::kUnmovable), 5);
  EXPECT_TRUE(expander_.Apply("freepct k 50"));
  EXPECT_TRUE(expander_.Apply("socks l 40"));  // in the room of the freed ones
  EXPECT_EQ(sink_.Count(3, Migratetype::kUnmovable), 10);
}

TEST_F(StepExpanderTest, ThreadsTakeTurnsOnTheirProcessors) {
  EXPECT_TRUE(expander_.Apply("psecret p 100 3"));
  EXPECT_EQ(sink_.hidden.size(), 300);
  EXPECT_EQ(std::count_if(sink_.requests.begin(), sink_.requests.end(), [](const auto& r) { return r.cpu == 1; }), 101);
  EXPECT_TRUE(expander_.Apply("pfree p 3"));
  EXPECT_TRUE(sink_.hidden.empty());
}

TEST_F(StepExpanderTest, PinMovesWhatFollows) {
  EXPECT_TRUE(expander_.Apply("pin 1"));
  EXPECT_TRUE(expander_.Apply("anon a 1"));
  EXPECT_EQ(sink_.requests.back().cpu, 1);
  EXPECT_TRUE(expander_.Apply("pin -1"));
  EXPECT_TRUE(expander_.Apply("anon b 1"));
  EXPECT_EQ(sink_.requests.back().cpu, 0);
}

TEST_F(StepExpanderTest, ChurnKeepsToItsLimits) {
  EXPECT_TRUE(expander_.Apply("churn c 300 64 200 10"));
  EXPECT_LE(sink_.hidden.size(), 640);
  EXPECT_GT(sink_.requests.size(), 300);
  EXPECT_TRUE(expander_.Apply("pchurn 2 50 20"));
  EXPECT_TRUE(expander_.Apply("free c"));
  EXPECT_TRUE(sink_.hidden.empty());
}

TEST_F(StepExpanderTest, CompactsWhereItIsAskedTo) {
  EXPECT_TRUE(expander_.Apply("write /proc/sys/vm/compact_memory 1"));
  EXPECT_EQ(sink_.compactions, 1);
}

TEST_F(StepExpanderTest, LeavesOtherActionsAlone) {
  for (const char* action : {"", "dump", "ebpf p 1 2 3", "insmod loop", "sh cat x", "write /proc/sys/vm/drop_caches 1",
                             "free nobody", "secret s", "secret s x", "secret s -1", "apunch nobody 5", "files f 1 3 2",
                             "churn c 1 0 0 1", "mpol bind 0"}) {
    EXPECT_FALSE(expander_.Apply(action)) << action;
  }
  EXPECT_TRUE(sink_.requests.empty());
}

TEST_F(StepExpanderTest, OutOfMemoryEndsTheStep) {
  EXPECT_TRUE(expander_.Apply("secret s 1000000"));
  EXPECT_LT(sink_.hidden.size(), 100000);
  EXPECT_TRUE(expander_.Apply("free s"));
  EXPECT_TRUE(sink_.hidden.empty());
}

TEST(LoadlessStepExpanderTest, IsAFunctionOfTheSeed) {
  RecordingSink a, b, c;
  StepExpander first(&a, 1, Random(1)), same(&b, 1, Random(1)), other(&c, 1, Random(2));
  for (StepExpander* expander : {&first, &same, &other}) EXPECT_TRUE(expander->Apply("files f 50 1 9"));
  EXPECT_EQ(a.requests.size(), b.requests.size());
  EXPECT_NE(a.requests.size(), c.requests.size());
}

}  // namespace
}  // namespace dmfrag::experiment
