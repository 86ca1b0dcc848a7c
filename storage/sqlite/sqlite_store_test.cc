#include "storage/sqlite/sqlite_store.h"

#include <filesystem>
#include <fstream>
#include <latch>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/sqlite/database.h"
#include "storage/testing/store_contract.h"
#include "storage/testing/test_rows.h"

namespace dmfrag::storage {
namespace {

using testing::_;
using testing::AllOf;
using testing::HasSubstr;

absl::StatusOr<std::unique_ptr<Store>> OpenInFolder(const std::string& folder) {
  return OpenSqliteStore(folder + "/store.db", SqliteOptions());
}

// Short groups, so that what spans groups is tested too.
absl::StatusOr<std::unique_ptr<Store>> OpenWithShortGroups(const std::string& folder) {
  SqliteOptions options;
  options.durability = Durability::kNormal;
  options.group_units = 3;
  options.group_time = absl::ZeroDuration();
  options.reader_connections = 1;
  return OpenSqliteStore(folder + "/store.db", options);
}

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreContract, testing::Values(OpenInFolder, OpenWithShortGroups));

class SqliteStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(testing::TempDir(), "/sqlite_store_test");
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    path_ = folder_ + "/store.db";
  }

  std::unique_ptr<Store> MustOpen(const SqliteOptions& options = SqliteOptions()) {
    absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path_, options);
    EXPECT_OK(store);
    return store.ok() ? *std::move(store) : nullptr;
  }

  std::string folder_;
  std::string path_;
};

TEST_F(SqliteStoreTest, WhatWasCommittedIsThereAfterReopening) {
  {
    std::unique_ptr<Store> store = MustOpen();
    ASSERT_OK(store->CommitAndWait(MakeExperiment(1, 2, 2, 1)));
    ASSERT_OK(store->CommitAndWait([](Writer& writer) -> absl::Status {
      EXPECT_OK(writer.InsertAttempt(TestAttempt(1, 1, ~uint64_t{0})));
      return writer.InsertResult(TestResult(1, 5));
    }));
  }
  EXPECT_FALSE(std::filesystem::exists(path_ + "-wal"));  // closed cleanly: nothing left in the log
  std::unique_ptr<Store> store = MustOpen();
  EXPECT_THAT(store->reader().GetResult(1)->result(), EqualsMessage(TestResult(1, 5).result));
  EXPECT_EQ(store->reader().GetLastIds()->fence, ~uint64_t{0});
  EXPECT_EQ(store->reader().GetLastIds()->job, 4);
}

TEST_F(SqliteStoreTest, ASecondServerIsRefusedWithFileAndProcess) {
  std::unique_ptr<Store> store = MustOpen();
  EXPECT_THAT(OpenSqliteStore(path_, SqliteOptions()),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("store.db.lock"), HasSubstr(absl::StrCat("process ", getpid())))));
  // Nor by another name of the same file.
  std::filesystem::create_symlink(path_, folder_ + "/link.db");
  EXPECT_THAT(OpenSqliteStore(folder_ + "/link.db", SqliteOptions()),
              StatusIs(absl::StatusCode::kFailedPrecondition, _));
  store.reset();
  EXPECT_OK(OpenSqliteStore(path_, SqliteOptions()));
}

TEST_F(SqliteStoreTest, FilesThatAreNotOursAreRefusedUnchanged) {
  const std::string text(5000, 'x');
  std::ofstream(path_) << text;
  EXPECT_THAT(OpenSqliteStore(path_, SqliteOptions()), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("store.db")));
  EXPECT_EQ(std::filesystem::file_size(path_), text.size());
  EXPECT_THAT(OpenSqliteStore(folder_ + "/no/such/folder/store.db", SqliteOptions()),
              StatusIs(absl::StatusCode::kNotFound, _));
}

TEST_F(SqliteStoreTest, NewFilesAreReadableByTheirOwnerAlone) {
  std::unique_ptr<Store> store = MustOpen();
  ASSERT_OK(store->CommitAndWait(MakeExperiment(1, 1, 1, 1)));
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    EXPECT_EQ(std::filesystem::status(path_ + suffix).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << suffix;
  }
}

TEST_F(SqliteStoreTest, EventsAreKept) {
  std::unique_ptr<Store> store = MustOpen();
  ASSERT_OK(store->CommitAndWait([](Writer& writer) -> absl::Status {
    EXPECT_OK(writer.InsertEvent(EventRow{TestTime(1), "job_leased", 4, 5, 6, "to worker-a"}));
    return writer.InsertEvent(EventRow{TestTime(2), "server_started", 0, 0, 0, ""});
  }));
  auto database = sqlite::Database::OpenReadOnly(path_, "");
  ASSERT_OK(database);
  auto rows =
      (*database)->Query("SELECT time_ns, kind, experiment_id, job_id, attempt, detail FROM events ORDER BY id");
  ASSERT_OK(rows);
  ASSERT_TRUE(*rows->Next());
  EXPECT_EQ(rows->row().Int64(0), absl::ToUnixNanos(TestTime(1)));
  EXPECT_EQ(rows->row().Text(1), "job_leased");
  EXPECT_EQ(rows->row().Int64(2), 4);
  EXPECT_EQ(rows->row().Int64(3), 5);
  EXPECT_EQ(rows->row().Int64(4), 6);
  EXPECT_EQ(rows->row().Text(5), "to worker-a");
  ASSERT_TRUE(*rows->Next());
  for (int column : {2, 3, 4}) EXPECT_TRUE(rows->row().IsNull(column));
  EXPECT_FALSE(*rows->Next());
}

TEST_F(SqliteStoreTest, UnitsBeyondTheQueueAreRefusedAndTheStoreGoesOn) {
  SqliteOptions options;
  options.queued_units = 2;
  options.group_units = 1;
  std::unique_ptr<Store> store = MustOpen(options);
  std::latch begun(1), go_on(1);
  std::latch pending(4);
  std::vector<absl::StatusCode> codes;
  const auto done = [&](const absl::Status& status) {
    codes.push_back(status.code());
    pending.count_down();
  };
  store->Commit(
      [&](Writer&) {
        begun.count_down();
        go_on.wait();
        return absl::OkStatus();
      },
      done);
  begun.wait();
  for (int i = 0; i < 3; ++i) store->Commit([](Writer&) { return absl::OkStatus(); }, done);
  go_on.count_down();
  pending.wait();
  EXPECT_THAT(codes, testing::ElementsAre(absl::StatusCode::kOk, absl::StatusCode::kOk, absl::StatusCode::kOk,
                                          absl::StatusCode::kResourceExhausted));
  EXPECT_OK(store->CommitAndWait([](Writer& writer) { return writer.InsertTemplate(1, TestTemplate(1)); }));
}

TEST_F(SqliteStoreTest, ALongReaderDoesNotStopTheWriter) {
  std::unique_ptr<Store> store = MustOpen();
  ASSERT_OK(store->CommitAndWait(MakeExperiment(1, 100, 1, 1)));
  int visited = 0;
  ASSERT_OK(store->reader().VisitLinks(1, [&](const LinkRow& link, const JobRow&) {
    // The reader sees the state it began with, whatever is committed meanwhile.
    if (visited++ == 0) {
      EXPECT_OK(store->CommitAndWait(MakeExperiment(2, 100, 1, 1001)));
    }
    EXPECT_EQ(link.experiment_id, 1);
  }));
  EXPECT_EQ(visited, 100);
  EXPECT_EQ(store->reader().GetLastIds()->job, 1100);
}

TEST_F(SqliteStoreTest, TheLogIsCheckpointedWhileTheStoreRuns) {
  SqliteOptions options;
  options.durability = Durability::kNormal;
  options.checkpoint_frames = 1000;
  std::unique_ptr<Store> store = MustOpen(options);
  for (int64_t chunk = 0; chunk < 40; ++chunk) {
    ASSERT_OK(store->CommitAndWait(MakeExperiment(chunk + 1, 4000, 1, 1 + chunk * 4000)));
  }
  // Without checkpoints all of it would still be in the log.
  EXPECT_GT(std::filesystem::file_size(path_), 8u << 20);
  EXPECT_LT(std::filesystem::file_size(path_ + "-wal"), 64u << 20);
}

TEST_F(SqliteStoreTest, TheVersionForTheLogNamesTheSource) {
  EXPECT_THAT(SqliteVersion(), testing::MatchesRegex("3\\.[0-9.]+ 20[0-9-]+ .*"));
}

}  // namespace
}  // namespace dmfrag::storage
