#include "storage/sqlite/sqlite_store.h"

#include <filesystem>
#include <span>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/commit_queue.h"
#include "storage/sqlite/database.h"
#include "storage/sqlite/group_transaction.h"
#include "storage/sqlite/lock_file.h"
#include "storage/sqlite/reader_pool.h"
#include "storage/sqlite/schema_upgrade.h"
#include "storage/sqlite/sqlite_reader.h"
#include "storage/sqlite/sqlite_writer.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::storage {
namespace {

using sqlite::Database;
using sqlite::LockFile;
using sqlite::ReaderPool;
using sqlite::SqliteReader;
using sqlite::SqliteWriter;

// journal_size_limit: the log is cut back to 64 MiB once it has grown beyond, behind a long reader for instance.
// cache_size: 64 MiB at most (negative: KiB), for the index over jobs' digests, whose inserts come in random order.
constexpr char kWriterSettings[] =
    "PRAGMA journal_size_limit = 67108864;"
    "PRAGMA cache_size = -65536";

constexpr char kWalSql[] = "PRAGMA journal_mode = WAL";

constexpr char kQuickCheckSql[] = "PRAGMA quick_check(1)";

const char* SynchronousSql(Durability durability) {
  switch (durability) {
    case Durability::kFull:
      return "PRAGMA synchronous = FULL";
    case Durability::kNormal:
      return "PRAGMA synchronous = NORMAL";
    case Durability::kOff:
      return "PRAGMA synchronous = OFF";
  }
  return "PRAGMA synchronous = FULL";
}

// The text in the first row of a PRAGMA's answer.
absl::StatusOr<std::string> Answer(Database& database, const char* sql) {
  ASSIGN_OR_RETURN(sqlite::Rows rows, database.Query(sql));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  return found ? rows.row().Text(0) : "no answer";
}

absl::Status UseWal(Database& database, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string mode, Answer(database, kWalSql));
  if (mode == "wal") return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      path, ": its file system offers no shared memory for a write-ahead log; put the database on a local disk"));
}

absl::Status QuickCheck(Database& database, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string verdict, Answer(database, kQuickCheckSql));
  if (verdict == "ok") return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path, " is damaged: ", verdict, "; restore it from a backup"));
}

// Still empty, so nobody has read it; the log and the shared memory take their mode from it.
absl::Status MakePrivate(const std::string& path) {
  std::error_code error;
  std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, error);
  if (!error) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat("cannot make ", path, " private: ", error.message()));
}

absl::StatusOr<std::unique_ptr<Database>> OpenWriter(const std::string& path, const SqliteOptions& options) {
  const bool is_new = !std::filesystem::exists(path);
  ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::OpenReadWrite(path, options.vfs));
  RETURN_IF_ERROR(sqlite::CheckFileIsOurs(*database, path));
  if (is_new) RETURN_IF_ERROR(MakePrivate(path));
  RETURN_IF_ERROR(UseWal(*database, path));
  RETURN_IF_ERROR(database->RunScript(kWriterSettings));
  RETURN_IF_ERROR(database->RunScript(SynchronousSql(options.durability)));
  if (options.quick_check) RETURN_IF_ERROR(QuickCheck(*database, path));
  RETURN_IF_ERROR(sqlite::UpgradeSchema(*database));
  return database;
}

// The one writer is `writer_` on `database_`, used by `thread_` alone once it runs.
class SqliteStore : public Store {
 public:
  SqliteStore(LockFile lock, std::unique_ptr<Database> database, std::unique_ptr<SqliteWriter> writer,
              const std::string& path, const SqliteOptions& options)
      : options_(options),
        lock_(std::move(lock)),
        database_(std::move(database)),
        writer_(std::move(writer)),
        readers_(path, options.vfs, options.reader_connections),
        reader_(&readers_),
        queue_(options.queued_units),
        thread_([this] { RunUntilClosed(); }) {}

  ~SqliteStore() override {
    queue_.Close();
    thread_.join();
  }

  void Commit(Work work, Done done) override { queue_.Push(std::move(work), std::move(done)); }
  const Reader& reader() const override { return reader_; }

 private:
  void RunUntilClosed();
  void CommitAll(std::vector<CommitUnit>& units);
  void MaybeCheckpoint();

  const SqliteOptions options_;
  const LockFile lock_;  // first in, last out
  const std::unique_ptr<Database> database_;
  const std::unique_ptr<SqliteWriter> writer_;
  ReaderPool readers_;
  const SqliteReader reader_;
  int64_t checkpoint_at_ = options_.checkpoint_frames;  // frames in the log at which the next checkpoint is tried
  CommitQueue queue_;
  std::thread thread_;
};

void SqliteStore::RunUntilClosed() {
  while (true) {
    std::vector<CommitUnit> units = queue_.Take(options_.group_units);
    if (units.empty()) break;
    CommitAll(units);
    MaybeCheckpoint();
  }
  // What cannot be copied now stays in the log, and the next opening finds it there.
  database_->CheckpointTruncate().IgnoreError();
}

void SqliteStore::CommitAll(std::vector<CommitUnit>& units) {
  std::span<CommitUnit> rest(units);
  while (!rest.empty()) {
    const size_t ran = sqlite::RunGroup(*database_, *writer_, rest, options_.group_time);
    CallDone(rest.first(ran));
    rest = rest.subspan(ran);
  }
}

void SqliteStore::MaybeCheckpoint() {
  const int64_t frames = database_->wal_frames();
  // The log began anew: a reader or a failure no longer holds back its checkpoints.
  if (frames < options_.checkpoint_frames) checkpoint_at_ = options_.checkpoint_frames;
  if (frames < checkpoint_at_) return;
  // On failure, or where a reader holds it back, it is tried again when the log has grown by as much.
  database_->CheckpointPassive().IgnoreError();
  checkpoint_at_ = frames + options_.checkpoint_frames;
}

}  // namespace

std::string SqliteVersion() { return sqlite::LibraryVersion(); }

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path, const SqliteOptions& options) {
  // One name for one file, so that the lock file of a symbolic link is that of its target.
  std::error_code error;
  const std::string file = std::filesystem::weakly_canonical(path, error).string();
  if (error) return absl::UnavailableError(absl::StrCat("cannot resolve ", path, ": ", error.message()));
  ASSIGN_OR_RETURN(LockFile lock, LockFile::Acquire(file + ".lock"));
  ASSIGN_OR_RETURN(std::unique_ptr<Database> database, OpenWriter(file, options));
  ASSIGN_OR_RETURN(std::unique_ptr<SqliteWriter> writer, SqliteWriter::Create(database.get()));
  return std::make_unique<SqliteStore>(std::move(lock), std::move(database), std::move(writer), file, options);
}

}  // namespace dmfrag::storage
