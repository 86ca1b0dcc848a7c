// Disk errors and a full disk, at every call in turn: nothing acknowledged is lost, errors are typed, and the store
// works on once the fault is gone.
#include <sqlite3.h>

#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "storage/sqlite/sqlite_store.h"
#include "storage/sqlite/testing/fault_hooks.h"
#include "storage/testing/test_rows.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::storage::sqlite {
namespace {

constexpr int64_t kUnits = 6;
constexpr int64_t kAfterFault = 100;

// Half of the units make nothing of what the writer tells them: the store must not acknowledge them for that.
Store::Work UnitOf(int64_t id) {
  return [id](Writer& writer) -> absl::Status {
    absl::Status status = MakeExperiment(id, 2, 2, 10 * id)(writer);
    if (status.ok()) status = writer.InsertAttempt(TestAttempt(10 * id, 1, 5));
    if (status.ok()) status = writer.InsertResult(TestResult(10 * id, id));
    return id % 2 == 0 ? status : absl::OkStatus();
  };
}

// What a caller may see of a disk in trouble.
bool IsTyped(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsUnavailable(status) || absl::IsDataLoss(status);
}

struct FaultCase {
  const char* name;
  FileOperation operation;
  int code;
  bool lasting;
  bool half_done;
};

void PrintTo(const FaultCase& fault, std::ostream* out) { *out << fault.name; }

class FaultTest : public testing::TestWithParam<FaultCase> {
 protected:
  FaultTest() : vfs_("faulty", &hooks_) {}

  void SetUp() override {
    folder_ = absl::StrCat(testing::TempDir(), "/fault_test_", GetParam().name);
    options_.vfs = vfs_.name();
    options_.checkpoint_frames = 10;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // One run with the n-th call failing. Returns whether the fault was met.
  bool RunWithFaultAt(int number);
  // Commits units with the fault in force; returns those acknowledged.
  std::vector<int64_t> CommitUnderFault(Store& store);
  void ExpectAll(const Reader& reader, const std::vector<int64_t>& ids);

  FaultHooks hooks_;
  ShimVfs vfs_;
  SqliteOptions options_;
  std::string folder_;
};

std::vector<int64_t> FaultTest::CommitUnderFault(Store& store) {
  std::vector<int64_t> acknowledged;
  for (int64_t id = 1; id <= kUnits; ++id) {
    const absl::Status status = store.CommitAndWait(UnitOf(id));
    if (status.ok()) {
      acknowledged.push_back(id);
    } else {
      EXPECT_TRUE(IsTyped(status)) << status;
      const absl::Status read = store.reader().GetResult(10 * id).status();
      EXPECT_TRUE(absl::IsNotFound(read) || IsTyped(read)) << read;
    }
  }
  return acknowledged;
}

void FaultTest::ExpectAll(const Reader& reader, const std::vector<int64_t>& ids) {
  for (int64_t id : ids) {
    const absl::StatusOr<v1::Result> result = reader.GetResult(10 * id);
    ASSERT_OK(result) << "lost: " << id;
    EXPECT_EQ(result->result().SerializeAsString(), TestResult(10 * id, id).result.SerializeAsString());
    EXPECT_OK(reader.GetResult(10 * id + 3));
  }
}

bool FaultTest::RunWithFaultAt(int number) {
  SCOPED_TRACE(absl::StrCat(GetParam().name, " number ", number));
  std::filesystem::remove_all(folder_);
  std::filesystem::create_directories(folder_);
  const std::string path = folder_ + "/store.db";
  hooks_.Plan({GetParam().operation, number, GetParam().code, GetParam().lasting, GetParam().half_done});
  std::vector<int64_t> acknowledged;
  absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path, options_);
  if (store.ok()) {
    acknowledged = CommitUnderFault(**store);
    hooks_.Clear();
    // Without reopening.
    EXPECT_OK((*store)->CommitAndWait(UnitOf(kAfterFault)));
    acknowledged.push_back(kAfterFault);
    ExpectAll((*store)->reader(), acknowledged);
    // Closing meets faults too.
    if (!hooks_.fired()) hooks_.Plan({GetParam().operation, number, GetParam().code, true, false});
    store->reset();
  } else {
    EXPECT_TRUE(IsTyped(store.status())) << store.status();
  }
  hooks_.Clear();
  const bool fired = hooks_.fired();
  store = OpenSqliteStore(path, options_);
  if (!store.ok()) {
    ADD_FAILURE() << store.status();
    return false;
  }
  ExpectAll((*store)->reader(), acknowledged);
  return fired;
}

TEST_P(FaultTest, NothingAcknowledgedIsLostAtAnyCall) {
  int number = 1;
  while (RunWithFaultAt(number) && !HasFailure()) ++number;
  // The loop met at least one call. How many there are of a kind depends on how the writer groups commits, and a group of
  // all of them truncates once.
  EXPECT_GT(number, 1);
  RecordProperty("faults", number - 1);
}

INSTANTIATE_TEST_SUITE_P(
    All, FaultTest,
    testing::Values(FaultCase{"WriteErrorOnce", FileOperation::kWrite, SQLITE_IOERR_WRITE, false, true},
                    FaultCase{"WriteErrorLasting", FileOperation::kWrite, SQLITE_IOERR_WRITE, true, false},
                    FaultCase{"FullDiskOnce", FileOperation::kWrite, SQLITE_FULL, false, false},
                    FaultCase{"FullDiskLasting", FileOperation::kWrite, SQLITE_FULL, true, true},
                    FaultCase{"SyncErrorOnce", FileOperation::kSync, SQLITE_IOERR_FSYNC, false, false},
                    FaultCase{"SyncErrorLasting", FileOperation::kSync, SQLITE_IOERR_FSYNC, true, false},
                    FaultCase{"OpenErrorOnce", FileOperation::kOpen, SQLITE_CANTOPEN, false, false},
                    FaultCase{"OpenErrorLasting", FileOperation::kOpen, SQLITE_CANTOPEN, true, false},
                    FaultCase{"ReadErrorOnce", FileOperation::kRead, SQLITE_IOERR_READ, false, false},
                    FaultCase{"ReadErrorLasting", FileOperation::kRead, SQLITE_IOERR_READ, true, false},
                    FaultCase{"TruncateErrorOnce", FileOperation::kTruncate, SQLITE_IOERR_TRUNCATE, false, false}),
    [](const auto& info) { return std::string(info.param.name); });

// The writer's pages are not in memory yet, so that its methods, and not the commit, meet the errors.
// SQLite undoes the transaction by itself after an I/O error, and the statement alone after finding damage.
class ReadFaultTest : public testing::TestWithParam<int> {};

TEST_P(ReadFaultTest, AUnitThatIgnoresAReadErrorIsUndone) {
  FaultHooks hooks;
  ShimVfs vfs("faulty_reads", &hooks);
  SqliteOptions options;
  options.vfs = vfs.name();
  options.quick_check = false;  // it would read every page
  const std::string path = absl::StrCat(testing::TempDir(), "/read_fault_test.db");
  std::filesystem::remove(path);
  ASSERT_OK((*OpenSqliteStore(path, options))->CommitAndWait(MakeExperiment(1, 2000, 1, 1)));
  int failed_units = 0;
  bool fired = true;
  for (int number = 1; fired; ++number) {
    SCOPED_TRACE(number);
    const absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path, options);
    ASSERT_OK(store);
    const std::string reason = absl::StrCat("round ", number);
    hooks.Plan({FileOperation::kRead, number, GetParam(), false, false});
    const absl::Status status = (*store)->CommitAndWait([&](Writer& writer) {
      for (int64_t job = 1; job <= 2000; job += 200) {
        writer.SetJobState(job, v1::JOB_STATE_FAILED, reason).IgnoreError();
      }
      return absl::OkStatus();
    });
    fired = hooks.fired();
    hooks.Clear();
    if (!status.ok()) ++failed_units;
    for (int64_t job = 1; job <= 2000; job += 200) {
      EXPECT_EQ((*store)->reader().GetResult(job)->failure() == reason, status.ok()) << job;
    }
  }
  EXPECT_GT(failed_units, 5);
}

INSTANTIATE_TEST_SUITE_P(All, ReadFaultTest, testing::Values(SQLITE_IOERR_READ, SQLITE_CORRUPT));

}  // namespace
}  // namespace dmfrag::storage::sqlite
