#include "storage/testing/fake_store.h"

#include <latch>
#include <utility>
#include <vector>

#include "storage/testing/store_contract.h"
#include "storage/testing/test_rows.h"

namespace dmfrag::storage {
namespace {

using testing::_;
using testing::SizeIs;

absl::StatusOr<std::unique_ptr<Store>> MakeFake(const std::string&) { return std::make_unique<FakeStore>(); }

INSTANTIATE_TEST_SUITE_P(Fake, StoreContract, testing::Values(MakeFake));

absl::Status AddTemplate(Writer& writer) { return writer.InsertTemplate(1, TestTemplate(1)); }

TEST(FakeStoreTest, FailCommitsFailsEveryUnitUntilItIsTakenBack) {
  FakeStore store;
  store.FailCommits(absl::ResourceExhaustedError("disk full"));
  EXPECT_THAT(store.CommitAndWait(AddTemplate), StatusIs(absl::StatusCode::kResourceExhausted, "disk full"));
  EXPECT_THAT(store.reader().GetTemplate(1), StatusIs(absl::StatusCode::kNotFound, _));
  store.FailCommits(absl::OkStatus());
  EXPECT_OK(store.CommitAndWait(AddTemplate));
  EXPECT_OK(store.reader().GetTemplate(1));
}

TEST(FakeStoreTest, HeldUnitsAreInvisibleUntilTheyAreReleased) {
  FakeStore store;
  store.Hold();
  std::latch pending(1);
  store.Commit(AddTemplate, [&](const absl::Status&) { pending.count_down(); });
  EXPECT_THAT(store.reader().GetTemplate(1), StatusIs(absl::StatusCode::kNotFound, _));
  store.Release();
  pending.wait();
  EXPECT_OK(store.reader().GetTemplate(1));
}

TEST(FakeStoreTest, EventsAreKeptInOrder) {
  FakeStore store;
  ASSERT_OK(store.CommitAndWait([](Writer& writer) -> absl::Status {
    EXPECT_OK(writer.InsertEvent(EventRow{TestTime(1), "job_leased", 1, 2, 3, "a"}));
    return writer.InsertEvent(EventRow{TestTime(2), "job_done", 1, 2, 3, "b"});
  }));
  const std::vector<EventRow> events = store.events();
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].kind, "job_leased");
  EXPECT_EQ(events[1].detail, "b");
}

}  // namespace
}  // namespace dmfrag::storage
