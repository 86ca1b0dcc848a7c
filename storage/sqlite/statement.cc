#include "storage/sqlite/statement.h"

#include <sqlite3.h>

#include "absl/strings/str_cat.h"
#include "storage/sqlite/result_code.h"

namespace dmfrag::storage::sqlite {

Statement::Statement(Statement&& other) noexcept
    : statement_(other.statement_), bound_(other.bound_), bind_failure_(other.bind_failure_) {
  other.statement_ = nullptr;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

absl::StatusOr<bool> Statement::Step() {
  if (absl::Status binds = CheckBinds(bound_); !binds.ok()) return binds;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return Failure(code);
}

void Statement::Reset() {
  sqlite3_reset(statement_);  // repeats the failure of the last step, which has been reported
  sqlite3_clear_bindings(statement_);
  bound_ = 0;
  bind_failure_ = SQLITE_OK;
}

bool Statement::IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

int64_t Statement::Int64(int column) const { return sqlite3_column_int64(statement_, column); }

std::optional<int64_t> Statement::OptionalInt64(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Int64(column);
}

std::string_view Statement::TextView(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text), static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

std::string_view Statement::BlobView(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  if (bytes == nullptr) return {};
  return {static_cast<const char*>(bytes), static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

void Statement::BindOne(int index, int64_t value, Lifetime) { Remember(sqlite3_bind_int64(statement_, index, value)); }

void Statement::BindOne(int index, std::string_view value, Lifetime lifetime) {
  // A null pointer would bind NULL.
  const char* data = value.data() == nullptr ? "" : value.data();
  Remember(sqlite3_bind_text64(statement_, index, data, value.size(),
                               lifetime == Lifetime::kCopy ? SQLITE_TRANSIENT : SQLITE_STATIC, SQLITE_UTF8));
}

void Statement::BindOne(int index, Blob value, Lifetime lifetime) {
  const char* data = value.bytes.data() == nullptr ? "" : value.bytes.data();
  Remember(sqlite3_bind_blob64(statement_, index, data, value.bytes.size(),
                               lifetime == Lifetime::kCopy ? SQLITE_TRANSIENT : SQLITE_STATIC));
}

void Statement::BindOne(int index, std::nullopt_t, Lifetime) { Remember(sqlite3_bind_null(statement_, index)); }

void Statement::Remember(int code) {
  if (bind_failure_ == SQLITE_OK) bind_failure_ = code;
}

absl::Status Statement::RunBound(int bound) {
  absl::Status status = CheckBinds(bound);
  if (status.ok()) {
    int code = sqlite3_step(statement_);
    while (code == SQLITE_ROW) code = sqlite3_step(statement_);
    if (code != SQLITE_DONE) status = Failure(code);
  }
  // Bindings stay until the next run overwrites them: all of them are bound at each run.
  sqlite3_reset(statement_);
  bind_failure_ = SQLITE_OK;
  return status;
}

absl::Status Statement::CheckBinds(int bound) const {
  if (bind_failure_ != SQLITE_OK) return Failure(bind_failure_);
  if (bound == sqlite3_bind_parameter_count(statement_)) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("bound ", bound, " of ", sqlite3_bind_parameter_count(statement_),
                                          " parameters of: ", sqlite3_sql(statement_)));
}

absl::Status Statement::Failure(int code) const {
  sqlite3* db = sqlite3_db_handle(statement_);
  const int extended = sqlite3_extended_errcode(db);
  // The two differ only if another call came in between; then the one of this call counts.
  return StatusFromDatabase(db, (extended & 0xff) == (code & 0xff) ? extended : code, sqlite3_sql(statement_));
}

}  // namespace dmfrag::storage::sqlite
