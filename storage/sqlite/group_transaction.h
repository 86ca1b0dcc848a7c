#ifndef DMFRAG_STORAGE_SQLITE_GROUP_TRANSACTION_H_
#define DMFRAG_STORAGE_SQLITE_GROUP_TRANSACTION_H_

#include <span>

#include "absl/time/time.h"
#include "storage/commit_queue.h"
#include "storage/sqlite/database.h"
#include "storage/sqlite/sqlite_writer.h"

namespace dmfrag::storage::sqlite {

// Runs units in one transaction and sets their status. A unit that fails is undone alone. If the transaction fails,
// every unit of it that had not failed by itself gets the transaction's status, and nothing of it is kept. Begins no
// further unit once `time_limit` has passed, so that long units do not keep short ones waiting for their commit.
// Returns how many units it ran, at least one. REQUIRES: `units` is not empty, no transaction is open.
size_t RunGroup(Database& database, SqliteWriter& writer, std::span<CommitUnit> units, absl::Duration time_limit);

}  // namespace dmfrag::storage::sqlite

#endif  // DMFRAG_STORAGE_SQLITE_GROUP_TRANSACTION_H_
