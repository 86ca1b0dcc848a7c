#include "server/scheduler/scheduler.h"

#include <map>
#include <random>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmfrag::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const absl::Time kStart = absl::UnixEpoch();

class SchedulerTest : public testing::Test {
 protected:
  void AddJobs(int64_t experiment, int64_t first_id, int64_t count, int32_t priority = 0) {
    scheduler_.AddExperiment(experiment, priority, count);
    for (int64_t i = 0; i < count; ++i) scheduler_.AddLink(experiment, {.id = first_id + i}, /*cached=*/false);
  }
  void ConnectWith(const std::string& worker, uint32_t credits) {
    scheduler_.Connect(worker, {}, kStart);
    scheduler_.AddCredits(worker, credits);
  }
  Lease AssignOne(absl::Time now = kStart) {
    const std::vector<Lease> leases = scheduler_.Assign(now, 1);
    EXPECT_THAT(leases, SizeIs(1));
    return leases.at(0);
  }

  Scheduler scheduler_{SchedulerOptions{.lease = absl::Seconds(10)}, /*epoch=*/3};
};

TEST_F(SchedulerTest, AssignsNoMoreThanCredits) {
  AddJobs(1, 100, 10);
  EXPECT_THAT(scheduler_.Assign(kStart, 100), IsEmpty());
  ConnectWith("a", 3);
  EXPECT_THAT(scheduler_.Assign(kStart, 100), SizeIs(3));
  EXPECT_THAT(scheduler_.Assign(kStart, 100), IsEmpty());
  EXPECT_EQ(scheduler_.Counts(1).running(), 3);
  EXPECT_EQ(scheduler_.Counts(1).queued(), 7);
}

TEST_F(SchedulerTest, SpreadsJobsOverWorkersAndExperiments) {
  AddJobs(1, 100, 4);
  AddJobs(2, 200, 4);
  ConnectWith("a", 2);
  ConnectWith("b", 2);
  std::map<std::string, int> per_worker;
  std::map<int64_t, int> per_experiment;
  for (const Lease& lease : scheduler_.Assign(kStart, 4)) {
    ++per_worker[lease.worker];
    ++per_experiment[lease.key.job_id / 100];
  }
  EXPECT_EQ(per_worker["a"], 2);
  EXPECT_EQ(per_worker["b"], 2);
  EXPECT_EQ(per_experiment[1], 2);
  EXPECT_EQ(per_experiment[2], 2);
}

TEST_F(SchedulerTest, HigherPriorityGoesFirst) {
  AddJobs(1, 100, 2, /*priority=*/0);
  AddJobs(2, 200, 2, /*priority=*/5);
  ConnectWith("a", 3);
  const std::vector<Lease> leases = scheduler_.Assign(kStart, 3);
  ASSERT_THAT(leases, SizeIs(3));
  EXPECT_EQ(leases[0].key.job_id, 200);
  EXPECT_EQ(leases[1].key.job_id, 201);
  EXPECT_EQ(leases[2].key.job_id, 100);
}

TEST_F(SchedulerTest, ResultIsCommittedOnceAndResendingIsAnswered) {
  AddJobs(1, 100, 1);
  ConnectWith("a", 1);
  const Lease lease = AssignOne();
  EXPECT_EQ(scheduler_.OnResult(lease.key), Verdict::kCommit);
  EXPECT_EQ(scheduler_.OnResult(lease.key), Verdict::kPending);
  EXPECT_FALSE(scheduler_.IsFinished(1));
  scheduler_.Committed(100);
  EXPECT_TRUE(scheduler_.IsFinished(1));
  EXPECT_EQ(scheduler_.OnResult(lease.key), Verdict::kAlreadyStored);
}

TEST_F(SchedulerTest, ExpiredLeaseIsReissuedAndTheZombieIsFenced) {
  AddJobs(1, 100, 1);
  ConnectWith("a", 1);
  const Lease first = AssignOne();
  EXPECT_THAT(scheduler_.Expire(kStart + absl::Seconds(10)), IsEmpty());
  const std::vector<EndedAttempt> ended = scheduler_.Expire(kStart + absl::Seconds(11));
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].failure_class, v1::FAILURE_CLASS_LOST);
  EXPECT_FALSE(ended[0].set_aside);
  ConnectWith("b", 1);
  const Lease second = AssignOne(kStart + absl::Seconds(11));
  EXPECT_EQ(second.worker, "b");
  EXPECT_EQ(second.key.attempt, 2u);
  EXPECT_GT(second.key.fence, first.key.fence);
  EXPECT_EQ(scheduler_.OnResult(first.key), Verdict::kStale);
  EXPECT_EQ(scheduler_.OnResult(second.key), Verdict::kCommit);
}

TEST_F(SchedulerTest, HeartbeatKeepsOnlyTheLeasesItNames) {
  AddJobs(1, 100, 2);
  ConnectWith("a", 2);
  const std::vector<Lease> leases = scheduler_.Assign(kStart, 2);
  scheduler_.Heartbeat("a", {leases[0].key}, kStart + absl::Seconds(8));
  const std::vector<EndedAttempt> ended = scheduler_.Expire(kStart + absl::Seconds(12));
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].key, leases[1].key);
}

TEST_F(SchedulerTest, HeartbeatOfAnotherWorkerKeepsNothing) {
  AddJobs(1, 100, 1);
  ConnectWith("a", 1);
  const Lease lease = AssignOne();
  scheduler_.Heartbeat("b", {lease.key}, kStart + absl::Seconds(8));
  EXPECT_THAT(scheduler_.Expire(kStart + absl::Seconds(11)), SizeIs(1));
}

TEST_F(SchedulerTest, BrokenStreamKeepsItsLeaseAndIsAdoptedOnReturn) {
  AddJobs(1, 100, 1);
  ConnectWith("a", 1);
  const Lease lease = AssignOne();
  scheduler_.Disconnect("a");
  EXPECT_THAT(scheduler_.Connect("a", {lease.key}, kStart + absl::Seconds(5)), ElementsAre(lease.key));
  EXPECT_THAT(scheduler_.Expire(kStart + absl::Seconds(14)), IsEmpty());
  EXPECT_EQ(scheduler_.OnResult(lease.key), Verdict::kCommit);
}

TEST_F(SchedulerTest, RestoredLeaseWaitsForItsWorkerAndIsAdopted) {
  AddJobs(1, 100, 2);
  const AttemptKey old{100, 1, (uint64_t{2} << 32) | 7};
  scheduler_.RestoreLease(old, "a", kStart);
  ConnectWith("b", 2);
  EXPECT_EQ(AssignOne().key.job_id, 101);  // 100 is still a's
  EXPECT_THAT(scheduler_.Connect("a", {old}, kStart + absl::Seconds(1)), ElementsAre(old));
  EXPECT_EQ(scheduler_.OnResult(old), Verdict::kCommit);
}

TEST_F(SchedulerTest, AttemptThatWasNeverWrittenIsAdoptedUnlessTheJobIsTaken) {
  AddJobs(1, 100, 2);
  const AttemptKey unwritten{100, 1, (uint64_t{2} << 32) | 7};
  const AttemptKey taken{101, 1, (uint64_t{2} << 32) | 8};
  scheduler_.RestoreLease({101, 1, (uint64_t{2} << 32) | 9}, "b", kStart);
  EXPECT_THAT(scheduler_.Connect("a", {unwritten, taken}, kStart), ElementsAre(unwritten));
}

TEST_F(SchedulerTest, FencesGrowOverEpochs) {
  Scheduler next(SchedulerOptions{}, /*epoch=*/4);
  AddJobs(1, 100, 1);
  next.AddExperiment(1, 0, 1);
  next.AddLink(1, {.id = 100}, false);
  ConnectWith("a", 1);
  next.Connect("a", {}, kStart);
  next.AddCredits("a", 1);
  EXPECT_GT(next.Assign(kStart, 1).at(0).key.fence, AssignOne().key.fence + 1000000);
}

TEST_F(SchedulerTest, UserFailureIsFinalAndInfraFailureIsRetriedToALimit) {
  AddJobs(1, 100, 2);
  ConnectWith("a", 10);
  const std::vector<Lease> leases = scheduler_.Assign(kStart, 2);
  EXPECT_TRUE(scheduler_.OnFailure(leases[0].key, v1::FAILURE_CLASS_USER).at(0).set_aside);
  AttemptKey key = leases[1].key;
  for (int i = 1; i <= 3; ++i) {
    const std::vector<EndedAttempt> ended = scheduler_.OnFailure(key, v1::FAILURE_CLASS_INFRA);
    ASSERT_THAT(ended, SizeIs(1));
    EXPECT_EQ(ended[0].set_aside, i == 3);
    EXPECT_THAT(scheduler_.OnFailure(key, v1::FAILURE_CLASS_INFRA), IsEmpty()) << "the same failure again";
    if (i < 3) key = AssignOne().key;
  }
  EXPECT_EQ(scheduler_.Counts(1).failed(), 2);
  EXPECT_TRUE(scheduler_.IsFinished(1));
}

TEST_F(SchedulerTest, GivenBackAttemptsCountTowardsNoLimit) {
  AddJobs(1, 100, 1);
  ConnectWith("a", 20);
  for (int i = 0; i < 10; ++i) {
    const std::vector<EndedAttempt> ended = scheduler_.GiveBack(AssignOne().key);
    ASSERT_THAT(ended, SizeIs(1));
    EXPECT_EQ(ended[0].failure_class, v1::FAILURE_CLASS_UNSPECIFIED);
    EXPECT_FALSE(ended[0].set_aside);
    EXPECT_THAT(scheduler_.GiveBack(ended[0].key), IsEmpty());
  }
  EXPECT_EQ(scheduler_.Counts(1).queued(), 1);
}

TEST_F(SchedulerTest, SharedJobRunsOnceAndCountsForBoth) {
  AddJobs(1, 100, 1);
  scheduler_.AddExperiment(2, 0, 1);
  scheduler_.AddLink(2, {.id = 100}, /*cached=*/true);
  ConnectWith("a", 5);
  const std::vector<Lease> leases = scheduler_.Assign(kStart, 5);
  ASSERT_THAT(leases, SizeIs(1));
  scheduler_.OnResult(leases[0].key);
  scheduler_.Committed(100);
  EXPECT_EQ(scheduler_.Counts(1).succeeded(), 1);
  EXPECT_EQ(scheduler_.Counts(2).succeeded(), 1);
  EXPECT_EQ(scheduler_.Counts(1).cached(), 0);
  EXPECT_EQ(scheduler_.Counts(2).cached(), 1);
}

TEST_F(SchedulerTest, CancelReleasesItsOwnLinksAlone) {
  AddJobs(1, 100, 3);
  scheduler_.AddExperiment(2, 0, 1);
  scheduler_.AddLink(2, {.id = 101}, /*cached=*/true);
  ConnectWith("a", 1);
  const Lease running = AssignOne();  // 100, of experiment 1 alone
  EXPECT_EQ(running.key.job_id, 100);
  const Scheduler::Cancelled cancelled = scheduler_.Cancel(1);
  ASSERT_THAT(cancelled.revoke, SizeIs(1));
  EXPECT_EQ(cancelled.revoke[0].key, running.key);
  EXPECT_EQ(cancelled.counts.cancelled(), 3);
  EXPECT_TRUE(scheduler_.IsFinished(1));
  scheduler_.AddCredits("a", 5);
  const std::vector<Lease> leases = scheduler_.Assign(kStart, 5);
  ASSERT_THAT(leases, SizeIs(1)) << "102 is nobody's any more";
  EXPECT_EQ(leases[0].key.job_id, 101);
  EXPECT_EQ(scheduler_.OnResult(running.key), Verdict::kStale);
}

TEST_F(SchedulerTest, CancelCountsAResultThatIsBeingWritten) {
  AddJobs(1, 100, 2);
  ConnectWith("a", 1);
  const Lease lease = AssignOne();
  scheduler_.OnResult(lease.key);
  const Scheduler::Cancelled cancelled = scheduler_.Cancel(1);
  EXPECT_EQ(cancelled.counts.succeeded(), 1);
  EXPECT_EQ(cancelled.counts.cancelled(), 1);
  EXPECT_FALSE(scheduler_.IsFinished(1));
  scheduler_.Committed(100);
  EXPECT_TRUE(scheduler_.IsFinished(1));
}

TEST_F(SchedulerTest, FailedCommitKeepsTheLease) {
  AddJobs(1, 100, 1);
  ConnectWith("a", 1);
  const Lease lease = AssignOne();
  EXPECT_EQ(scheduler_.OnResult(lease.key), Verdict::kCommit);
  scheduler_.CommitFailed(100, kStart);
  EXPECT_EQ(scheduler_.OnResult(lease.key), Verdict::kCommit);
}

// Random histories of workers that crash, come back, fall silent and send twice. After every step the counts add up; at
// the end every job was committed exactly once or set aside.
class SchedulerHistory {
 public:
  explicit SchedulerHistory(uint64_t seed) : random_(seed) {}

  void Run(int jobs) {
    scheduler_.AddExperiment(1, 0, jobs);
    scheduler_.AddExperiment(2, 1, jobs / 2);
    for (int64_t id = 1; id <= jobs; ++id) scheduler_.AddLink(1, {.id = id}, false);
    for (int64_t id = 1; id <= jobs / 2; ++id) scheduler_.AddLink(2, {.id = id}, true);
    for (int step = 0; step < 20000 && !Finished(); ++step) {
      Step();
      CheckCounts();
    }
    ASSERT_TRUE(Finished());
    EXPECT_EQ(static_cast<int64_t>(committed_.size()), scheduler_.Counts(1).succeeded());
    EXPECT_EQ(scheduler_.queued() + scheduler_.running(), 0u);
  }

 private:
  bool Finished() { return scheduler_.IsFinished(1) && scheduler_.IsFinished(2); }
  std::string AnyWorker() { return std::string(1, static_cast<char>('a' + random_() % 3)); }

  void Step() {
    now_ += absl::Milliseconds(static_cast<int64_t>(random_() % 700));
    const std::string worker = AnyWorker();
    std::vector<AttemptKey>& held = held_[worker];
    switch (random_() % 8) {
      case 0: {  // it comes back, perhaps having lost everything
        if (random_() % 4 == 0) held.clear();
        held = scheduler_.Connect(worker, held, now_);
        scheduler_.AddCredits(worker, static_cast<uint32_t>(random_() % 4));
        break;
      }
      case 1:
        scheduler_.Disconnect(worker);
        break;
      case 2:
        scheduler_.Heartbeat(worker, held, now_);
        break;
      case 3:
        for (const EndedAttempt& ended : scheduler_.Expire(now_)) EXPECT_FALSE(committed_.contains(ended.key.job_id));
        break;
      case 4:
        if (!held.empty() && random_() % 4 == 0) scheduler_.OnFailure(held.back(), v1::FAILURE_CLASS_INFRA);
        if (!held.empty() && random_() % 4 == 0) scheduler_.GiveBack(held.front());
        break;
      default:
        for (const Lease& lease : scheduler_.Assign(now_, random_() % 5)) {
          EXPECT_FALSE(committed_.contains(lease.key.job_id));
          EXPECT_TRUE(fences_.insert(lease.key.fence).second);
          held_[lease.worker].push_back(lease.key);
        }
        if (!held.empty()) Report(held[random_() % held.size()]);
        scheduler_.AddCredits(worker, 1);
    }
  }

  void Report(const AttemptKey& key) {
    switch (scheduler_.OnResult(key)) {
      case Verdict::kCommit:
        if (random_() % 10 == 0) return scheduler_.CommitFailed(key.job_id, now_);
        scheduler_.Committed(key.job_id);
        EXPECT_TRUE(committed_.insert(key.job_id).second) << "job " << key.job_id << " has two results";
        break;
      case Verdict::kAlreadyStored:
        EXPECT_TRUE(committed_.contains(key.job_id));
        break;
      case Verdict::kPending:
      case Verdict::kStale:
        break;
    }
  }

  void CheckCounts() {
    for (const int64_t experiment : {1, 2}) {
      const v1::JobCounts c = scheduler_.Counts(experiment);
      ASSERT_EQ(c.queued() + c.running() + c.succeeded() + c.failed() + c.cancelled(), c.total());
      ASSERT_GE(c.queued(), 0);
      ASSERT_GE(c.running(), 0);
    }
  }

  std::mt19937_64 random_;
  absl::Time now_ = kStart;
  Scheduler scheduler_{SchedulerOptions{.lease = absl::Seconds(10)}, 1};
  std::map<std::string, std::vector<AttemptKey>> held_;
  std::set<int64_t> committed_;
  std::set<uint64_t> fences_;
};

TEST(SchedulerHistoryTest, EveryJobEndsExactlyOnceInRandomHistories) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    SchedulerHistory(seed).Run(40);
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace dmfrag::server
