#include "storage/sqlite/result_code.h"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

namespace dmfrag::storage::sqlite {
namespace {

absl::StatusCode ConstraintCode(int extended_code) {
  switch (extended_code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return absl::StatusCode::kAlreadyExists;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
      return absl::StatusCode::kNotFound;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::StatusCode IoErrorCode(int extended_code, int system_error) {
  // fsync and close report a full disk as any other error, and only ENOSPC of a write becomes SQLITE_FULL.
  if (system_error == ENOSPC || system_error == EDQUOT) return absl::StatusCode::kResourceExhausted;
  if (extended_code == SQLITE_IOERR_NOMEM) return absl::StatusCode::kResourceExhausted;
  if (extended_code == SQLITE_IOERR_CORRUPTFS || extended_code == SQLITE_IOERR_DATA) return absl::StatusCode::kDataLoss;
  return absl::StatusCode::kUnavailable;
}

absl::StatusCode CodeFor(int extended_code, int system_error) {
  switch (extended_code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
      return absl::StatusCode::kOk;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_CANTOPEN:
      return absl::StatusCode::kUnavailable;
    case SQLITE_IOERR:
      return IoErrorCode(extended_code, system_error);
    case SQLITE_CONSTRAINT:
      return ConstraintCode(extended_code);
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
      return absl::StatusCode::kPermissionDenied;
    case SQLITE_TOOBIG:
      return absl::StatusCode::kInvalidArgument;
    case SQLITE_INTERRUPT:
      return absl::StatusCode::kCancelled;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status StatusFromCode(int extended_code, int system_error, std::string_view doing, std::string_view text) {
  const absl::StatusCode code = CodeFor(extended_code, system_error);
  if (code == absl::StatusCode::kOk) return absl::OkStatus();
  std::string message = absl::StrCat(absl::string_view(doing.data(), doing.size()), ": ",
                                     absl::string_view(text.data(), text.size()), " (SQLite code ", extended_code);
  if (system_error != 0) absl::StrAppend(&message, ", ", std::strerror(system_error));
  absl::StrAppend(&message, ")");
  return absl::Status(code, message);
}

absl::Status StatusFromDatabase(sqlite3* db, int extended_code, std::string_view doing) {
  const int primary = extended_code & 0xff;
  // The system error is remembered from call to call, so it is asked only where it belongs to this failure.
  const bool from_system = primary == SQLITE_IOERR || primary == SQLITE_FULL || primary == SQLITE_CANTOPEN;
  return StatusFromCode(extended_code, from_system ? sqlite3_system_errno(db) : 0, doing, sqlite3_errmsg(db));
}

}  // namespace dmfrag::storage::sqlite
