// The page allocator against its reference, on random programs, compared whole after every operation.
#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "tests/oracle/page_allocator_program.h"
#include "worker/workload/random.h"

namespace dmfrag::tests {
namespace {

// A nightly soak asks for more.
uint64_t Programs() {
  const char* programs = std::getenv("DMFRAG_ORACLE_PROGRAMS");
  return programs == nullptr ? 6 : static_cast<uint64_t>(std::atoi(programs));
}

// Operations with phases, so that memory fills, is worked on while it is nearly full, and empties.
std::string RandomProgram(uint64_t seed, unsigned release, unsigned machine) {
  workload::Random random(seed);
  std::string bytes;
  const auto add = [&](uint64_t byte) { bytes.push_back(static_cast<char>(byte)); };
  add(release + kAllocatorReleases * machine);
  add(random.Next());
  for (int phase = 0; phase < 12; ++phase) {
    // Of 16 operations so many allocate; one type in four phases out of five, as a load would.
    const uint64_t allocate = 2 + random.Below(12);
    const uint64_t usual_type = random.Below(3);
    const uint64_t operations = 1 + random.Below(40);
    for (uint64_t i = 0; i < operations; ++i) {
      static constexpr uint8_t kAllocations[] = {0, 0, 0, 4, 5, 6, 12};
      static constexpr uint8_t kOthers[] = {7, 7, 10, 13, 14, 15};
      const uint64_t kind = random.Below(16) < allocate ? kAllocations[random.Below(7)] : kOthers[random.Below(6)];
      add(kind + 16 * random.Below(16));
      add(random.Below(5) != 0 ? usual_type + 3 * random.Below(80) : random.Next());
      add(random.Next());
    }
  }
  return bytes;
}

class PageAllocatorOracleTest : public ::testing::TestWithParam<unsigned> {};

TEST_P(PageAllocatorOracleTest, RandomProgramsAgreeAfterEveryOperation) {
  PageAllocatorEvents events;
  for (unsigned machine = 0; machine < kAllocatorMachines; ++machine) {
    // Programs on machines of everyday size are slow, and have more room before anything is scarce.
    const bool is_small = machine != 4 && machine != 5;
    const uint64_t programs = is_small ? 4 * Programs() : Programs();
    for (uint64_t seed = 1; seed <= programs; ++seed) {
      ASSERT_EQ(RunPageAllocatorProgram(RandomProgram(seed + 1000 * machine, GetParam(), machine), events), "")
          << "machine " << machine << " seed " << seed;
    }
  }
  // The programs reach what they are for.
  EXPECT_GT(events.allocations, 100'000);
  EXPECT_GT(events.failures, 300);
  EXPECT_GT(events.bulk_frames, 5'000);
  EXPECT_GT(events.splits, 100);
  EXPECT_GT(events.frees, 100'000);
  EXPECT_GT(events.types_mixed, 800);
  EXPECT_GT(events.blocks_retyped, 300);
  // Up to 6.6 it never changes.
  EXPECT_GT(events.high_changed, GetParam() == 0 ? -1 : 1'000);
}

INSTANTIATE_TEST_SUITE_P(Releases, PageAllocatorOracleTest, ::testing::Range(0u, kAllocatorReleases));

}  // namespace
}  // namespace dmfrag::tests
