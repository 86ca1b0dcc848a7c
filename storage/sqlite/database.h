#ifndef DMFRAG_STORAGE_SQLITE_DATABASE_H_
#define DMFRAG_STORAGE_SQLITE_DATABASE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/sqlite/statement.h"

struct sqlite3;

namespace dmfrag::storage::sqlite {

// Version and source id of the SQLite library in use, for the log.
std::string LibraryVersion();

// A connection, with its prepared statements. Used on one thread at a time.
//
// A process holds at most one read-write connection to a file: SQLite before 3.51.3 can lose pages when a commit of one
// connection overlaps a checkpoint of another (sqlite.org/wal.html#walresetbug). So the one connection does both, on
// one thread, and automatic checkpoints are off. Nothing else may open() the file: closing any descriptor of it drops
// SQLite's locks.
class Database {
 public:
  // Opens, and creates if there is none. `vfs`: name of a registered VFS, or empty for the default one.
  static absl::StatusOr<std::unique_ptr<Database>> OpenReadWrite(const std::string& path, const std::string& vfs);
  // Opens for reading alone. REQUIRES for success: the read-write connection is open in this process.
  static absl::StatusOr<std::unique_ptr<Database>> OpenReadOnly(const std::string& path, const std::string& vfs);

  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  // Runs statements separated by semicolons, without parameters and rows.
  absl::Status RunScript(const char* sql);

  // The statement, prepared at its first use. `sql` must live as long as the connection: pass a constant. Its address
  // is the key.
  absl::StatusOr<Statement*> Cached(const char* sql);
  // Prepares a statement for one use.
  absl::StatusOr<Statement> Prepare(std::string_view sql);

  // Runs a cached statement to its end.
  template <typename... Values>
  absl::Status Run(const char* sql, const Values&... values) {
    absl::StatusOr<Statement*> statement = Cached(sql);
    if (!statement.ok()) return statement.status();
    return (*statement)->Run(values...);
  }
  // Begins to read the rows of a cached statement. One use of each statement at a time.
  template <typename... Values>
  absl::StatusOr<Rows> Query(const char* sql, const Values&... values) {
    absl::StatusOr<Statement*> statement = Cached(sql);
    if (!statement.ok()) return statement.status();
    (*statement)->Bind(values...);
    return Rows(*statement);
  }
  // The only column of the only row. Errors: kNotFound if there is no row.
  template <typename... Values>
  absl::StatusOr<int64_t> QueryInt64(const char* sql, const Values&... values) {
    absl::StatusOr<Rows> rows = Query(sql, values...);
    if (!rows.ok()) return rows.status();
    absl::StatusOr<bool> found = rows->Next();
    if (!found.ok()) return found.status();
    if (!*found) return absl::NotFoundError(sql);
    return rows->row().Int64(0);
  }

  // Rows that the last INSERT, UPDATE or DELETE changed.
  int64_t changes() const;
  // A transaction is open. False after SQLite has rolled one back by itself, as it does on some I/O errors.
  bool in_transaction() const;
  // Frames in the write-ahead log after the last commit of this connection.
  int64_t wal_frames() const { return wal_frames_; }

  // Waits this long for locks of others.
  void SetBusyTimeout(int milliseconds);
  // Copies what readers do not hold back from the write-ahead log to the file. Never waits for readers.
  absl::Status CheckpointPassive();
  // Copies everything and empties the log.
  absl::Status CheckpointTruncate();

 private:
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path, const std::string& vfs, int flags);
  explicit Database(sqlite3* db) : db_(db) {}
  absl::Status Checkpoint(int mode);

  sqlite3* const db_;
  int64_t wal_frames_ = 0;
  absl::flat_hash_map<const char*, std::unique_ptr<Statement>> cached_;
};

}  // namespace dmfrag::storage::sqlite

#endif  // DMFRAG_STORAGE_SQLITE_DATABASE_H_
