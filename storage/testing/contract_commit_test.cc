// Units: order, atomicity, calls of `done`.
#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "storage/testing/store_contract.h"
#include "storage/testing/test_rows.h"

namespace dmfrag::storage {
namespace {

using testing::_;
using testing::ElementsAre;
using testing::HasSubstr;

TEST_P(StoreContract, UnitsRunAndFinishInTheOrderTheyWereQueued) {
  constexpr int kUnits = 2000;
  std::vector<int> ran;
  std::vector<int> done;
  std::latch pending(kUnits);
  for (int i = 0; i < kUnits; ++i) {
    store_->Commit(
        [&ran, i](Writer& writer) {
          ran.push_back(i);
          return writer.InsertTemplate(i + 1, TestTemplate(i + 1));
        },
        [&done, &pending, i](const absl::Status& status) {
          EXPECT_OK(status);
          done.push_back(i);
          pending.count_down();
        });
  }
  pending.wait();
  std::vector<int> expected(kUnits);
  for (int i = 0; i < kUnits; ++i) expected[i] = i;
  EXPECT_EQ(ran, expected);
  EXPECT_EQ(done, expected);
  EXPECT_OK(reader().GetTemplate(kUnits));
}

TEST_P(StoreContract, WhatDoneReportsIsReadable) {
  absl::Status seen = absl::UnknownError("done was not called");
  std::latch pending(1);
  store_->Commit([](Writer& writer) { return writer.InsertTemplate(1, TestTemplate(1)); },
                 [&](const absl::Status&) {
                   seen = reader().GetTemplate(1).status();
                   pending.count_down();
                 });
  pending.wait();
  EXPECT_OK(seen);
}

TEST_P(StoreContract, AFailingUnitIsUndoneAlone) {
  std::vector<absl::StatusCode> codes;
  std::latch pending(3);
  for (int64_t id : {1, 2, 3}) {
    store_->Commit(
        [id](Writer& writer) -> absl::Status {
          absl::Status status = writer.InsertTemplate(id, TestTemplate(id));
          return id == 2 ? absl::AbortedError("the work says no") : status;
        },
        [&](const absl::Status& status) {
          codes.push_back(status.code());
          pending.count_down();
        });
  }
  pending.wait();
  EXPECT_THAT(codes, ElementsAre(absl::StatusCode::kOk, absl::StatusCode::kAborted, absl::StatusCode::kOk));
  EXPECT_OK(reader().GetTemplate(1));
  EXPECT_THAT(reader().GetTemplate(2), StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_OK(reader().GetTemplate(3));
}

TEST_P(StoreContract, AnUndoneUnitLeavesNothingInAnyTable) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  const absl::Status status = store_->CommitAndWait([](Writer& writer) -> absl::Status {
    EXPECT_OK(writer.StartEpoch(TestTime(0)));
    EXPECT_OK(MakeExperiment(2, 2, 1, 10)(writer));
    EXPECT_OK(writer.InsertAttempt(TestAttempt(1, 1, 5)));
    EXPECT_OK(writer.EndAttempt(AttemptEnd{1, 1, TestTime(1), v1::FAILURE_CLASS_INFRA, "died", "stderr"}));
    EXPECT_OK(writer.InsertResult(TestResult(1, 1)));
    EXPECT_OK(writer.InsertDuplicate(TestResult(1, 2), "late"));
    EXPECT_OK(writer.SetJobState(10, v1::JOB_STATE_FAILED, "poison"));
    EXPECT_OK(writer.EndExperiment(1, v1::EXPERIMENT_STATE_CANCELLED, TestTime(2), v1::JobCounts()));
    EXPECT_OK(writer.InsertRequest(TestRequestId(9), RequestRow{"CancelExperiment", TestDigest("x"), 1}));
    v1::Capture capture;
    capture.set_name("captures/" + std::string(64, 'a'));
    EXPECT_OK(writer.InsertCapture(capture));
    return absl::AbortedError("undo all of it");
  });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kAborted, _));
  const absl::StatusOr<Reader::LastIds> last = reader().GetLastIds();
  ASSERT_OK(last);
  EXPECT_EQ(last->epoch, 0u);
  EXPECT_EQ(last->experiment, 1);
  EXPECT_EQ(last->job, 1);
  const absl::StatusOr<v1::Result> result = reader().GetResult(1);
  ASSERT_OK(result);
  EXPECT_EQ(result->state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(result->attempts(), 0);
  EXPECT_EQ(result->duplicates(), 0);
  EXPECT_FALSE(result->has_result());
  EXPECT_EQ(reader().GetExperiment(1)->state, v1::EXPERIMENT_STATE_ACTIVE);
  EXPECT_THAT(reader().GetRequest(TestRequestId(9)), StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_THAT(reader().GetCapture("captures/" + std::string(64, 'a')), StatusIs(absl::StatusCode::kNotFound, _));
  // The same rows can be written afterwards: nothing remembers them.
  MustCommit(MakeExperiment(2, 2, 1, 10));
  MustCommit([](Writer& writer) { return writer.InsertResult(TestResult(1, 1)); });
  EXPECT_THAT(reader().GetResult(1)->result(), EqualsMessage(TestResult(1, 1).result));
}

TEST_P(StoreContract, UnitsOfManyThreadsAllRun) {
  constexpr int kThreads = 4;
  constexpr int kUnitsEach = 250;
  std::latch pending(kThreads * kUnitsEach);
  std::atomic<int> failed = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kUnitsEach; ++i) {
        const int64_t id = 1 + thread * kUnitsEach + i;
        store_->Commit([id](Writer& writer) { return writer.InsertTemplate(id, TestTemplate(id)); },
                       [&](const absl::Status& status) {
                         failed += status.ok() ? 0 : 1;
                         pending.count_down();
                       });
        // Readers beside the writer.
        if (i % 50 == 0) {
          EXPECT_OK(reader().GetLastIds());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  pending.wait();
  EXPECT_EQ(failed, 0);
  for (int64_t id = 1; id <= kThreads * kUnitsEach; ++id) ASSERT_OK(reader().GetTemplate(id));
}

TEST_P(StoreContract, TheDestructorRunsWhatIsQueuedAndCallsEveryDoneOnce) {
  constexpr int kUnits = 300;
  std::vector<int> calls(kUnits + 1, 0);
  for (int i = 0; i < kUnits; ++i) {
    store_->Commit([i](Writer& writer) { return writer.InsertTemplate(i + 1, TestTemplate(i + 1)); },
                   [&, i](const absl::Status& status) {
                     EXPECT_OK(status);
                     ++calls[i];
                     // Also a unit that is queued during the shutdown, from the store's own thread.
                     if (i == kUnits - 1) {
                       store_->Commit([](Writer&) { return absl::OkStatus(); },
                                      [&](const absl::Status&) { ++calls[kUnits]; });
                     }
                   });
  }
  // Not store_.reset(): the callback above still needs the pointer.
  std::unique_ptr<Store>(store_.get()).reset();
  static_cast<void>(store_.release());
  for (int count : calls) EXPECT_EQ(count, 1);
}

TEST_P(StoreContract, EpochsGrowByOne) {
  std::vector<uint64_t> epochs;
  for (int i = 0; i < 2; ++i) {
    MustCommit([&](Writer& writer) {
      const absl::StatusOr<uint64_t> epoch = writer.StartEpoch(TestTime(i));
      if (epoch.ok()) epochs.push_back(*epoch);
      return epoch.status();
    });
  }
  EXPECT_THAT(epochs, ElementsAre(1, 2));
  EXPECT_EQ(reader().GetLastIds()->epoch, 2u);
}

TEST_P(StoreContract, TheStatusOfAFailedMethodNamesTheRow) {
  EXPECT_THAT(store_->CommitAndWait([](Writer& writer) { return writer.InsertAttempt(TestAttempt(77, 1, 1)); }),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("77")));
}

}  // namespace
}  // namespace dmfrag::storage
