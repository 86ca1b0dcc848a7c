#include "storage/sqlite/result_code.h"

#include <sqlite3.h>

#include <cerrno>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::storage::sqlite {
namespace {

using testing::AllOf;
using testing::HasSubstr;

absl::StatusCode CodeOf(int extended_code, int system_error = 0) {
  return StatusFromCode(extended_code, system_error, "doing", "text").code();
}

TEST(ResultCodeTest, SuccessIsOk) {
  for (int code : {SQLITE_OK, SQLITE_ROW, SQLITE_DONE}) EXPECT_EQ(CodeOf(code), absl::StatusCode::kOk);
}

TEST(ResultCodeTest, TroubleOfTheDiskSaysWhatCanBeDone) {
  EXPECT_EQ(CodeOf(SQLITE_FULL), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(SQLITE_NOMEM), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(SQLITE_IOERR_FSYNC, ENOSPC), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(SQLITE_IOERR_WRITE, EDQUOT), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(SQLITE_IOERR_WRITE, EIO), absl::StatusCode::kUnavailable);
  EXPECT_EQ(CodeOf(SQLITE_CANTOPEN), absl::StatusCode::kUnavailable);
  EXPECT_EQ(CodeOf(SQLITE_BUSY_RECOVERY), absl::StatusCode::kUnavailable);
  EXPECT_EQ(CodeOf(SQLITE_LOCKED), absl::StatusCode::kUnavailable);
  EXPECT_EQ(CodeOf(SQLITE_CORRUPT_VTAB), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CodeOf(SQLITE_NOTADB), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CodeOf(SQLITE_READONLY_DIRECTORY), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(CodeOf(SQLITE_INTERRUPT), absl::StatusCode::kCancelled);
}

TEST(ResultCodeTest, ConstraintsAreToldApart) {
  EXPECT_EQ(CodeOf(SQLITE_CONSTRAINT_UNIQUE), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(CodeOf(SQLITE_CONSTRAINT_PRIMARYKEY), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(CodeOf(SQLITE_CONSTRAINT_ROWID), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(CodeOf(SQLITE_CONSTRAINT_FOREIGNKEY), absl::StatusCode::kNotFound);
  EXPECT_EQ(CodeOf(SQLITE_CONSTRAINT_CHECK), absl::StatusCode::kInternal);
  EXPECT_EQ(CodeOf(SQLITE_CONSTRAINT_NOTNULL), absl::StatusCode::kInternal);
  EXPECT_EQ(CodeOf(SQLITE_MISUSE), absl::StatusCode::kInternal);
}

TEST(ResultCodeTest, TheTextHoldsPlaceCauseAndCode) {
  EXPECT_THAT(StatusFromCode(SQLITE_IOERR_WRITE, EIO, "INSERT INTO jobs", "disk I/O error"),
              StatusIs(absl::StatusCode::kUnavailable, AllOf(HasSubstr("INSERT INTO jobs"), HasSubstr("disk I/O error"),
                                                             HasSubstr("778"), HasSubstr("Input/output error"))));
}

}  // namespace
}  // namespace dmfrag::storage::sqlite
