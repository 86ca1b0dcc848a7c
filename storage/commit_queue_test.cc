#include "storage/commit_queue.h"

#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::storage {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

absl::Status DoNothing(Writer&) { return absl::OkStatus(); }

TEST(CommitQueueTest, TakesUpToTheLimitInOrder) {
  CommitQueue queue(10);
  std::string called;
  for (char name : {'a', 'b', 'c'}) {
    queue.Push(DoNothing, [&called, name](const absl::Status&) { called += name; });
  }
  std::vector<CommitUnit> first = queue.Take(2);
  EXPECT_THAT(first, SizeIs(2));
  std::vector<CommitUnit> second = queue.Take(2);
  EXPECT_THAT(second, SizeIs(1));
  CallDone(first);
  CallDone(second);
  EXPECT_EQ(called, "abc");
}

TEST(CommitQueueTest, AUnitBeyondTheCapacityIsRefusedInItsPlace) {
  CommitQueue queue(2);
  for (int i = 0; i < 3; ++i) queue.Push(DoNothing, nullptr);
  std::vector<CommitUnit> units = queue.Take(10);
  ASSERT_THAT(units, SizeIs(3));
  EXPECT_OK(units[1].status);
  EXPECT_EQ(units[2].work, nullptr);
  EXPECT_THAT(units[2].status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("2 units")));
  // There is room again once they are taken.
  queue.Push(DoNothing, nullptr);
  EXPECT_OK(queue.Take(10).front().status);
}

TEST(CommitQueueTest, TakeWaitsForAUnit) {
  CommitQueue queue(2);
  std::vector<CommitUnit> taken;
  std::thread taker([&] { taken = queue.Take(10); });
  queue.Push(DoNothing, nullptr);
  taker.join();
  EXPECT_THAT(taken, SizeIs(1));
}

TEST(CommitQueueTest, AClosedQueueIsEmptiedBeforeItEnds) {
  CommitQueue queue(2);
  queue.Push(DoNothing, nullptr);
  queue.Close();
  EXPECT_THAT(queue.Take(10), SizeIs(1));
  EXPECT_THAT(queue.Take(10), IsEmpty());
}

}  // namespace
}  // namespace dmfrag::storage
