#include "worker/convert/replay_result.h"

#include <cstdint>
#include <optional>

#include "gtest/gtest.h"
#include "worker/model/kernel_release.h"
#include "worker/model/memory_map.h"

namespace dmfrag::convert {
namespace {

workload::ReplayInput Input() {
  return {.capture_id = "test",
          .kernel = "6.1.0",
          .release = model::KernelRelease::k6_1,
          .memory = *model::MemoryMap::Pc(uint64_t{1} << 30),
          .mapping = {},
          .start_step = 7,
          .start_runs = {},
          .start_counters = {},
          .steps = {},
          .limitation = {}};
}

TEST(ReplayResultTest, NamesTheCaptureAndTheStart) {
  const v1::JobResult result = ReplayResult(Input(), 3);
  EXPECT_EQ(result.outcome(), v1::OUTCOME_COMPLETED);
  EXPECT_EQ(result.replay().capture_id(), "test");
  EXPECT_EQ(result.replay().kernel(), "6.1.0");
  EXPECT_EQ(result.replay().start_step(), 3);
  EXPECT_FALSE(result.has_metrics());
}

TEST(ReplayResultTest, AReplayFromBootHasNoStart) {
  EXPECT_FALSE(ReplayResult(Input(), std::nullopt).replay().has_start_step());
}

}  // namespace
}  // namespace dmfrag::convert
