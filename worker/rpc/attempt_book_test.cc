#include "worker/rpc/attempt_book.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmfrag::worker {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr size_t kAnySize = size_t{1} << 20;
const absl::Time kStart = absl::UnixEpoch();
const absl::Duration kResend = absl::Seconds(6);

Attempt MakeAttempt(uint64_t fence) {
  Attempt attempt;
  attempt.ref.set_job_id(static_cast<int64_t>(100 + fence));
  attempt.ref.set_attempt(1);
  attempt.ref.set_fence(fence);
  return attempt;
}

v1::AttemptReport ReportOf(const Attempt& attempt, size_t bytes = 0) {
  v1::AttemptReport report;
  *report.mutable_ref() = attempt.ref;
  report.set_stderr_tail(std::string(bytes, 'x'));
  return report;
}

TEST(AttemptBookTest, ReportIsKeptAndSentAgainUntilForgotten) {
  AttemptBook book;
  book.Add(MakeAttempt(1));
  const std::vector<Attempt> taken = book.Take(1);
  ASSERT_THAT(taken, SizeIs(1));
  EXPECT_THAT(book.ReportsToSend(kStart, kResend, kAnySize), IsEmpty());
  book.Finish(ReportOf(taken[0]));
  EXPECT_EQ(book.Unfinished(), 0u);
  EXPECT_THAT(book.Held(), SizeIs(1)) << "it is still named in heartbeats";
  EXPECT_THAT(book.ReportsToSend(kStart, kResend, kAnySize), SizeIs(1));
  EXPECT_THAT(book.ReportsToSend(kStart + absl::Seconds(5), kResend, kAnySize), IsEmpty());
  EXPECT_THAT(book.ReportsToSend(kStart + absl::Seconds(6), kResend, kAnySize), SizeIs(1));
  book.Forget(taken[0].ref);
  EXPECT_THAT(book.ReportsToSend(kStart + absl::Seconds(60), kResend, kAnySize), IsEmpty());
  EXPECT_THAT(book.Held(), IsEmpty());
}

TEST(AttemptBookTest, NewStreamSendsAdoptedReportsAtOnceAndDropsTheRest) {
  AttemptBook book;
  for (uint64_t fence : {1, 2, 3, 4}) book.Add(MakeAttempt(fence));
  const std::vector<Attempt> taken = book.Take(3);
  book.Finish(ReportOf(taken[0]));
  book.Finish(ReportOf(taken[1]));
  EXPECT_THAT(book.ReportsToSend(kStart, kResend, kAnySize), SizeIs(2));
  book.KeepOnly({taken[0].ref});
  EXPECT_THAT(book.ReportsToSend(kStart, kResend, kAnySize), SizeIs(1));
  book.Finish(ReportOf(taken[2]));  // it ran on, and is nobody's now
  EXPECT_THAT(book.ReportsToSend(kStart, kResend, kAnySize), IsEmpty());
  EXPECT_THAT(book.Held(), SizeIs(1));
  EXPECT_EQ(book.Waiting(), 0u);
}

TEST(AttemptBookTest, ReportsFillAMessageButOneAtLeast) {
  AttemptBook book;
  for (uint64_t fence : {1, 2, 3}) book.Add(MakeAttempt(fence));
  for (const Attempt& attempt : book.Take(3)) book.Finish(ReportOf(attempt, 700));
  EXPECT_THAT(book.ReportsToSend(kStart, kResend, 100), SizeIs(1));
  EXPECT_THAT(book.ReportsToSend(kStart, kResend, 2000), SizeIs(2));
}

TEST(AttemptBookTest, RevokedAttemptIsNotTakenAndItsReportDropped) {
  AttemptBook book;
  book.Add(MakeAttempt(1));
  book.Add(MakeAttempt(2));
  book.Forget(MakeAttempt(1).ref);
  const std::vector<Attempt> taken = book.Take(5);
  ASSERT_THAT(taken, SizeIs(1));
  EXPECT_EQ(taken[0].ref.fence(), 2u);
  book.Forget(taken[0].ref);
  book.Finish(ReportOf(taken[0]));
  EXPECT_THAT(book.ReportsToSend(kStart, kResend, kAnySize), IsEmpty());
}

TEST(AttemptBookTest, SameAssignmentTwiceRunsOnce) {
  AttemptBook book;
  book.Add(MakeAttempt(1));
  book.Add(MakeAttempt(1));
  EXPECT_THAT(book.Take(5), SizeIs(1));
  EXPECT_EQ(book.Waiting(), 0u);
}

TEST(AttemptBookTest, RejectedAttemptIsReportedAndNeverRun) {
  AttemptBook book;
  book.Reject(ReportOf(MakeAttempt(1)));
  EXPECT_EQ(book.Waiting(), 0u);
  EXPECT_THAT(book.Held(), SizeIs(1));
  EXPECT_THAT(book.ReportsToSend(kStart, kResend, kAnySize), SizeIs(1));
  book.Forget(MakeAttempt(1).ref);
  EXPECT_THAT(book.Held(), IsEmpty());
}

TEST(AttemptBookTest, GivesBackWhatNoSlotHasTaken) {
  AttemptBook book;
  for (uint64_t fence : {1, 2, 3}) book.Add(MakeAttempt(fence));
  book.Take(1);
  EXPECT_THAT(book.GiveBackWaiting(), SizeIs(2));
  EXPECT_THAT(book.Held(), SizeIs(1));
}

TEST(AttemptBookTest, StopWakesTake) {
  AttemptBook book;
  book.Stop();
  EXPECT_THAT(book.Take(1), IsEmpty());
}

}  // namespace
}  // namespace dmfrag::worker
