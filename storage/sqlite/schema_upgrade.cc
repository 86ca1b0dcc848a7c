#include "storage/sqlite/schema_upgrade.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "storage/schema/migrations.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::storage::sqlite {
namespace {

constexpr char kApplicationIdSql[] = "PRAGMA application_id";
constexpr char kUserVersionSql[] = "PRAGMA user_version";
constexpr char kObjectsSql[] = "SELECT COUNT(*) FROM sqlite_schema";

absl::Status RunMigration(Database& database, const Migration& migration) {
  // The numbers in a PRAGMA cannot be bound.
  const std::string stamp =
      absl::StrCat("PRAGMA application_id = ", kApplicationId, ";", "PRAGMA user_version = ", migration.version);
  RETURN_IF_ERROR(database.RunScript("BEGIN IMMEDIATE"));
  absl::Status status = database.RunScript(migration.sql);
  if (status.ok()) status = database.RunScript(stamp.c_str());
  if (status.ok()) status = database.RunScript("COMMIT");
  if (!status.ok() && database.in_transaction()) database.RunScript("ROLLBACK").IgnoreError();
  return status;
}

}  // namespace

absl::Status CheckFileIsOurs(Database& database, const std::string& path) {
  const absl::StatusOr<int64_t> first = database.QueryInt64(kApplicationIdSql);
  // The first look into the file: what is wrong with it as a file shows here.
  if (!first.ok()) return absl::Status(first.status().code(), absl::StrCat(path, ": ", first.status().message()));
  const int64_t application_id = *first;
  ASSIGN_OR_RETURN(const int64_t version, database.QueryInt64(kUserVersionSql));
  ASSIGN_OR_RETURN(const int64_t objects, database.QueryInt64(kObjectsSql));
  const bool is_new = application_id == 0 && version == 0 && objects == 0;
  if (!is_new && application_id != kApplicationId) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is an SQLite file of another program; name a new file or one made by dmfrag-server"));
  }
  const int64_t newest = static_cast<int64_t>(Migrations().size());
  if (version > newest) {
    return absl::FailedPreconditionError(absl::StrCat(path, " has schema version ", version,
                                                      ", and this program knows versions up to ", newest,
                                                      "; use the dmfrag-server that wrote it, or a newer one"));
  }
  return absl::OkStatus();
}

absl::Status UpgradeSchema(Database& database) {
  ASSIGN_OR_RETURN(const int64_t version, database.QueryInt64(kUserVersionSql));
  for (const Migration& migration : Migrations()) {
    if (migration.version <= version) continue;
    RETURN_IF_ERROR(RunMigration(database, migration));
  }
  return absl::OkStatus();
}

}  // namespace dmfrag::storage::sqlite
