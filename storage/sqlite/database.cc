#include "storage/sqlite/database.h"

#include <sqlite3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/sqlite/result_code.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::storage::sqlite {
namespace {

// Waits of readers and of the writer for each other are short; recovery after a crash may take longer.
constexpr int kBusyTimeoutMs = 5000;

// On every connection. mmap: an I/O error would be a SIGBUS. temp_store: no files that could fail or lie about.
constexpr char kSettings[] =
    "PRAGMA foreign_keys = ON;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA mmap_size = 0;"
    "PRAGMA cell_size_check = ON;"
    "PRAGMA trusted_schema = OFF";

}  // namespace

std::string LibraryVersion() { return absl::StrCat(sqlite3_libversion(), " ", sqlite3_sourceid()); }

absl::StatusOr<std::unique_ptr<Database>> Database::OpenReadWrite(const std::string& path, const std::string& vfs) {
  ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Open(path, vfs, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
  RETURN_IF_ERROR(database->RunScript("PRAGMA wal_autocheckpoint = 0"));
  sqlite3_wal_hook(
      database->db_,
      [](void* self, sqlite3*, const char*, int frames) {
        static_cast<Database*>(self)->wal_frames_ = frames;
        return SQLITE_OK;
      },
      database.get());
  return database;
}

absl::StatusOr<std::unique_ptr<Database>> Database::OpenReadOnly(const std::string& path, const std::string& vfs) {
  ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Open(path, vfs, SQLITE_OPEN_READONLY));
  RETURN_IF_ERROR(database->RunScript("PRAGMA query_only = ON"));
  return database;
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path, const std::string& vfs, int flags) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                                   vfs.empty() ? nullptr : vfs.c_str());
  if (handle == nullptr) return absl::ResourceExhaustedError(absl::StrCat("opening ", path, ": out of memory"));
  // From here on the handle is owned, and closed on every way out.
  std::unique_ptr<Database> database(new Database(handle));
  if (code != SQLITE_OK) return StatusFromDatabase(handle, code, absl::StrCat("opening ", path));
  database->SetBusyTimeout(kBusyTimeoutMs);
  RETURN_IF_ERROR(database->RunScript(kSettings));
  return database;
}

Database::~Database() {
  cached_.clear();
  sqlite3_close_v2(db_);
}

absl::Status Database::RunScript(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : StatusFromDatabase(db_, code, sql);
}

absl::StatusOr<Statement*> Database::Cached(const char* sql) {
  std::unique_ptr<Statement>& entry = cached_[sql];
  if (entry == nullptr) {
    ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
    entry = std::make_unique<Statement>(std::move(statement));
  }
  return entry.get();
}

absl::StatusOr<Statement> Database::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return StatusFromDatabase(db_, code, sql);
  return Statement(statement);
}

int64_t Database::changes() const { return sqlite3_changes64(db_); }

bool Database::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

void Database::SetBusyTimeout(int milliseconds) { sqlite3_busy_timeout(db_, milliseconds); }

absl::Status Database::CheckpointPassive() { return Checkpoint(SQLITE_CHECKPOINT_PASSIVE); }

absl::Status Database::CheckpointTruncate() { return Checkpoint(SQLITE_CHECKPOINT_TRUNCATE); }

absl::Status Database::Checkpoint(int mode) {
  const int code = sqlite3_wal_checkpoint_v2(db_, nullptr, mode, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : StatusFromDatabase(db_, code, "checkpoint");
}

}  // namespace dmfrag::storage::sqlite
