#include "client/connection/file_lock.h"

#include <stdlib.h>

#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

using Mode = FileLock::Mode;

class FileLockTest : public testing::Test {
 protected:
  FileLockTest() {
    std::string folder = "/tmp/dmfrag-lock-XXXXXX";
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  ~FileLockTest() override { std::filesystem::remove_all(folder_); }

  bool CanTake(Mode mode) { return FileLock::Try(folder_ / "lock", mode)->has_value(); }

  std::filesystem::path folder_;
  Interrupt interrupt_;
};

TEST_F(FileLockTest, SharedOnesGoTogetherAndAnExclusiveOneIsAlone) {
  {
    const auto shared = FileLock::Try(folder_ / "lock", Mode::kShared);
    ASSERT_TRUE(shared->has_value());
    EXPECT_TRUE(CanTake(Mode::kShared));
    EXPECT_FALSE(CanTake(Mode::kExclusive));
  }
  const auto exclusive = FileLock::Try(folder_ / "lock", Mode::kExclusive);
  ASSERT_TRUE(exclusive->has_value());
  EXPECT_FALSE(CanTake(Mode::kShared));
}

TEST_F(FileLockTest, AwaitEndsWhenTheLockIsGivenBack) {
  auto held = FileLock::Try(folder_ / "lock", Mode::kExclusive);
  std::thread giver([&held] { held->reset(); });
  EXPECT_OK(FileLock::Await(folder_ / "lock", Mode::kExclusive, absl::Seconds(30), interrupt_));
  giver.join();
}

TEST_F(FileLockTest, AwaitGivesUpAndCanBeInterrupted) {
  const auto held = FileLock::Try(folder_ / "lock", Mode::kExclusive);
  EXPECT_THAT(FileLock::Await(folder_ / "lock", Mode::kShared, absl::ZeroDuration(), interrupt_),
              StatusIs(absl::StatusCode::kDeadlineExceeded, testing::HasSubstr("another dmfrag command holds")));
  interrupt_.Request();
  EXPECT_THAT(FileLock::Await(folder_ / "lock", Mode::kShared, absl::Seconds(30), interrupt_),
              StatusIs(absl::StatusCode::kCancelled, "interrupted"));
}

}  // namespace
}  // namespace dmfrag::client
