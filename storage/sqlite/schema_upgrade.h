#ifndef DMFRAG_STORAGE_SQLITE_SCHEMA_UPGRADE_H_
#define DMFRAG_STORAGE_SQLITE_SCHEMA_UPGRADE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "storage/sqlite/database.h"

namespace dmfrag::storage::sqlite {

// PRAGMA application_id of our files: "dmfr".
inline constexpr int64_t kApplicationId = 0x646d6672;

// Checks that the file is ours or empty, and no newer than this program. Changes nothing.
//   kFailedPrecondition: made by another program, or by a newer dmfrag.
absl::Status CheckFileIsOurs(Database& database, const std::string& path);

// Runs the migrations that are missing, each in a transaction of its own with the new user_version.
absl::Status UpgradeSchema(Database& database);

}  // namespace dmfrag::storage::sqlite

#endif  // DMFRAG_STORAGE_SQLITE_SCHEMA_UPGRADE_H_
