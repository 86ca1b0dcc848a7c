#include "storage/sqlite/group_transaction.h"

#include <algorithm>
#include <chrono>

#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::storage::sqlite {
namespace {

constexpr char kBeginSql[] = "BEGIN IMMEDIATE";
constexpr char kCommitSql[] = "COMMIT";
constexpr char kRollbackSql[] = "ROLLBACK";
constexpr char kSavepointSql[] = "SAVEPOINT unit";
constexpr char kReleaseSql[] = "RELEASE unit";
constexpr char kRollbackToSql[] = "ROLLBACK TO unit";

using Clock = std::chrono::steady_clock;

// Runs one unit and sets its status. Returns an error if the transaction as a whole cannot go on.
absl::Status RunUnit(Database& database, SqliteWriter& writer, CommitUnit& unit) {
  if (unit.work == nullptr) return absl::OkStatus();  // refused before it came here
  RETURN_IF_ERROR(database.Run(kSavepointSql));
  writer.BeginUnit();
  unit.status = unit.work(writer);
  // SQLite undoes the whole transaction by itself on some failures of the disk.
  if (!database.in_transaction()) {
    return writer.spoiled().ok() ? absl::InternalError("SQLite has undone the transaction") : writer.spoiled();
  }
  if (unit.status.ok()) unit.status = writer.spoiled();
  if (!unit.status.ok()) {
    writer.UnitUndone();
    RETURN_IF_ERROR(database.Run(kRollbackToSql));
  }
  return database.Run(kReleaseSql);
}

absl::Status RunUnits(Database& database, SqliteWriter& writer, std::span<CommitUnit> units, Clock::time_point deadline,
                      size_t& ran) {
  RETURN_IF_ERROR(database.Run(kBeginSql));
  for (CommitUnit& unit : units) {
    if (ran > 0 && Clock::now() >= deadline) break;
    ++ran;
    RETURN_IF_ERROR(RunUnit(database, writer, unit));
  }
  RETURN_IF_ERROR(writer.FinishTransaction());
  return database.Run(kCommitSql);
}

}  // namespace

size_t RunGroup(Database& database, SqliteWriter& writer, std::span<CommitUnit> units, absl::Duration time_limit) {
  size_t ran = 0;
  const absl::Status status =
      RunUnits(database, writer, units, Clock::now() + absl::ToChronoMicroseconds(time_limit), ran);
  if (status.ok()) return ran;
  if (database.in_transaction()) database.Run(kRollbackSql).IgnoreError();
  writer.TransactionUndone();
  // Units that were not begun fail with the rest: the disk that refused these would refuse them.
  for (CommitUnit& unit : units) {
    if (unit.status.ok()) unit.status = status;
  }
  return units.size();
}

}  // namespace dmfrag::storage::sqlite
