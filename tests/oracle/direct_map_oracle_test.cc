// The fast direct map against the slow one, on random programs of requests, compared whole after every request.
#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "tests/oracle/direct_map_lockstep.h"
#include "tests/oracle/direct_map_program.h"
#include "worker/model/memory_map.h"
#include "worker/workload/random.h"

namespace dmfrag::tests {
namespace {

using model::AttributeRequest;
using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;

constexpr EntryFlags kRoxCleared(EntryFlags::kWritable | EntryFlags::kDirty | EntryFlags::kNoExecute);

// A nightly soak asks for more.
int Programs() {
  const char* programs = std::getenv("DMFRAG_ORACLE_PROGRAMS");
  return programs == nullptr ? 150 : std::atoi(programs);
}

std::string RandomBytes(workload::Random random, size_t size) {
  std::string bytes;
  while (bytes.size() < size) bytes.push_back(static_cast<char>(random.Below(256)));
  return bytes;
}

TEST(DirectMapOracleTest, RandomProgramsAgreeAfterEveryRequest) {
  model::EventCounters events;
  for (int seed = 1; seed <= Programs(); ++seed) {
    std::string bytes = RandomBytes(workload::Random(static_cast<uint64_t>(seed)), 2 + 8 * 64);
    if (seed % 2 == 0) bytes[0] = static_cast<char>(seed / 2 % 6);  // on whole GiBs
    ASSERT_EQ(RunInLockstep(ProgramFromBytes(bytes), events), "") << "seed " << seed;
  }
  // The programs reach what they are for.
  EXPECT_GT(events.splits_2m, 1000);
  EXPECT_GT(events.splits_1g, 30);
  EXPECT_GT(events.collapses_2m, 100);
  EXPECT_GT(events.collapses_1g, 2);
  EXPECT_GT(events.split_enomem, 60);
  EXPECT_GT(events.flushes_range, 120);
  EXPECT_GT(events.table_pages_in_split_block, 10);
  EXPECT_GT(events.vmalloc_splits_2m, 100);
  EXPECT_GT(events.vmalloc_collapses_2m, 10);
  EXPECT_GT(events.cache_flush_pages, 1000);
  EXPECT_GT(events.cache_flushes_all, 10);
}

// A booted machine with holes in its first GiB, a whole second one, and requests that keep to few blocks.
TEST(DirectMapOracleTest, ABootedMachineAgrees) {
  const auto memory = *model::MemoryMap::FromUsableRanges(
      {{0, 0x9f000}, {0x100000, 0x3fe00000}, {0x3ff00000, 0x3ffff000}, {0x40000000, 0x80000000}});
  std::vector<model::LeafRun> start;
  model::DirectMap::Boot(memory, {}, EntryFlags::PageKernel()).ForEachRun([&](const model::LeafRun& run) {
    start.push_back(run);
  });
  DirectMapLockstep maps(start);
  workload::Random random(7);
  for (int i = 0; i < 150; ++i) {
    const FrameNumber first(random.Below(2) * 262144 + random.Below(2048));
    AttributeRequest request = {.range = {first, first + FrameCount(1 + random.Below(700))}};
    (random.Below(2) == 0 ? request.set : request.clear) = kRoxCleared;
    request.array = random.Below(8) == 0;
    request.collapse = random.Below(4) == 0;
    ASSERT_EQ(maps.Perform(request), "");
  }
  EXPECT_GT(maps.events().splits_2m, 4);
  EXPECT_EQ(maps.events().splits_1g, 1);
}

}  // namespace
}  // namespace dmfrag::tests
