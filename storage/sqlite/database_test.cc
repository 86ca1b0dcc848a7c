#include "storage/sqlite/database.h"

#include <filesystem>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "storage/sqlite/sql_uint64.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::storage::sqlite {
namespace {

using testing::_;
using testing::HasSubstr;

constexpr char kMakeTable[] = "CREATE TABLE t (i INTEGER, s TEXT, b BLOB) STRICT";
constexpr char kInsert[] = "INSERT INTO t(i, s, b) VALUES (?, ?, ?)";
constexpr char kSelect[] = "SELECT i, s, b FROM t ORDER BY rowid";

class DatabaseTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = absl::StrCat(testing::TempDir(), "/database_test.db");
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
    absl::StatusOr<std::unique_ptr<Database>> database = Database::OpenReadWrite(path_, "");
    ASSERT_OK(database);
    database_ = *std::move(database);
    ASSERT_OK(database_->RunScript("PRAGMA journal_mode = WAL"));
    ASSERT_OK(database_->RunScript(kMakeTable));
  }

  std::string path_;
  std::unique_ptr<Database> database_;
};

TEST_F(DatabaseTest, ValuesComeBackAsTheyWereBound) {
  const std::string zero("a\0b", 3);
  ASSERT_OK(database_->Run(kInsert, std::numeric_limits<int64_t>::min(), zero, Blob{zero}));
  ASSERT_OK(database_->Run(kInsert, std::nullopt, std::string_view(), Blob{{}}));
  ASSERT_OK(database_->Run(kInsert, ToSqlInteger(~uint64_t{0}), std::optional<std::string>(), OptionalBlob()));
  absl::StatusOr<Rows> rows = database_->Query(kSelect);
  ASSERT_OK(rows);
  ASSERT_TRUE(*rows->Next());
  EXPECT_EQ(rows->row().Int64(0), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(rows->row().Text(1), zero);
  EXPECT_EQ(rows->row().Bytes(2), zero);
  ASSERT_TRUE(*rows->Next());
  EXPECT_EQ(rows->row().OptionalInt64(0), std::nullopt);
  // Empty is not NULL.
  EXPECT_FALSE(rows->row().IsNull(1));
  EXPECT_EQ(rows->row().Text(1), "");
  EXPECT_FALSE(rows->row().IsNull(2));
  ASSERT_TRUE(*rows->Next());
  EXPECT_EQ(FromSqlInteger(rows->row().Int64(0)), ~uint64_t{0});
  EXPECT_TRUE(rows->row().IsNull(1));
  EXPECT_TRUE(rows->row().IsNull(2));
  EXPECT_FALSE(*rows->Next());
}

TEST_F(DatabaseTest, TheBitCastKeepsEveryValue) {
  for (uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 63, (uint64_t{1} << 63) - 1, ~uint64_t{0}}) {
    EXPECT_EQ(FromSqlInteger(ToSqlInteger(value)), value);
  }
  EXPECT_EQ(ToSqlInteger(~uint64_t{0}), -1);
}

TEST_F(DatabaseTest, TheWrongNumberOfParametersIsABugThatIsSeen) {
  EXPECT_THAT(database_->Run(kInsert, 1, std::string("s")), StatusIs(absl::StatusCode::kInternal, HasSubstr("2 of 3")));
  EXPECT_THAT(database_->Run(kInsert, 1, std::string("s"), Blob{"b"}, 4), StatusIs(absl::StatusCode::kInternal, _));
  EXPECT_OK(database_->Run(kInsert, 1, std::string("s"), Blob{"b"}));
}

TEST_F(DatabaseTest, StrictTablesRefuseOtherTypes) {
  EXPECT_THAT(database_->Run(kInsert, std::string("no number"), std::string("s"), Blob{"b"}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("INTEGER")));
}

TEST_F(DatabaseTest, WrongSqlIsAnErrorThatShowsIt) {
  EXPECT_THAT(database_->Run("SELEKT 1"), StatusIs(absl::StatusCode::kInternal, HasSubstr("SELEKT")));
  EXPECT_THAT(database_->QueryInt64("SELECT i FROM t"), StatusIs(absl::StatusCode::kNotFound, _));
}

TEST_F(DatabaseTest, ReadersCannotWrite) {
  absl::StatusOr<std::unique_ptr<Database>> reader = Database::OpenReadOnly(path_, "");
  ASSERT_OK(reader);
  EXPECT_THAT((*reader)->Run(kInsert, 1, std::string("s"), Blob{"b"}),
              StatusIs(absl::StatusCode::kPermissionDenied, _));
  EXPECT_OK((*reader)->Query(kSelect));
}

TEST_F(DatabaseTest, EveryConnectionHasTheHouseSettings) {
  absl::StatusOr<std::unique_ptr<Database>> reader = Database::OpenReadOnly(path_, "");
  ASSERT_OK(reader);
  for (Database* database : {database_.get(), reader->get()}) {
    EXPECT_EQ(*database->QueryInt64("PRAGMA foreign_keys"), 1);
    EXPECT_EQ(*database->QueryInt64("PRAGMA temp_store"), 2);
    EXPECT_EQ(*database->QueryInt64("PRAGMA cell_size_check"), 1);
    EXPECT_EQ(*database->QueryInt64("PRAGMA trusted_schema"), 0);
    EXPECT_EQ(*database->QueryInt64("PRAGMA busy_timeout"), 5000);
    EXPECT_THAT(database->QueryInt64("PRAGMA mmap_size").value_or(0), 0);
  }
  EXPECT_EQ(*database_->QueryInt64("PRAGMA wal_autocheckpoint"), 0);
  EXPECT_EQ(*(*reader)->QueryInt64("PRAGMA query_only"), 1);
}

TEST_F(DatabaseTest, CheckpointsMoveTheLogIntoTheFile) {
  ASSERT_OK(database_->Run(kInsert, 1, std::string(100000, 's'), Blob{"b"}));
  EXPECT_GT(database_->wal_frames(), 20);
  EXPECT_LT(std::filesystem::file_size(path_), 50000u);
  EXPECT_OK(database_->CheckpointPassive());
  EXPECT_GT(std::filesystem::file_size(path_), 100000u);
  EXPECT_OK(database_->CheckpointTruncate());
  EXPECT_EQ(std::filesystem::file_size(path_ + "-wal"), 0u);
}

}  // namespace
}  // namespace dmfrag::storage::sqlite
