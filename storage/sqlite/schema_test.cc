// The schema against the protocol, old files, and files of others.
#include <array>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "storage/metric_fields.h"
#include "storage/schema/migrations.h"
#include "storage/sqlite/database.h"
#include "storage/sqlite/result_columns.h"
#include "storage/sqlite/schema_upgrade.h"
#include "storage/sqlite/sqlite_store.h"
#include "storage/testing/test_rows.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::storage::sqlite {
namespace {

using testing::_;
using testing::AllOf;
using testing::HasSubstr;

constexpr char kVersion[] = "PRAGMA user_version";

class SchemaTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(testing::TempDir(), "/schema_test");
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    path_ = folder_ + "/store.db";
  }

  // Runs statements on the file, as another program would.
  void RunOnFile(const char* sql) {
    absl::StatusOr<std::unique_ptr<Database>> database = Database::OpenReadWrite(path_, "");
    ASSERT_OK(database);
    ASSERT_OK((*database)->RunScript(sql));
  }

  std::string folder_;
  std::string path_;
};

TEST_F(SchemaTest, ResultsHaveOneColumnPerMetric) {
  const absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path_, SqliteOptions());
  ASSERT_OK(store);
  absl::StatusOr<std::unique_ptr<Database>> database = Database::OpenReadOnly(path_, "");
  ASSERT_OK(database);
  absl::StatusOr<Rows> rows =
      (*database)->Query("SELECT name, type, \"notnull\" FROM pragma_table_info('results') ORDER BY cid");
  ASSERT_OK(rows);
  std::vector<std::string> columns;
  bool in_metrics = false;
  while (*rows->Next()) {
    if (in_metrics && rows->row().Text(0) != "aged_state_sha256") {
      columns.push_back(rows->row().Text(0));
      EXPECT_EQ(rows->row().Text(1), "INTEGER") << columns.back();
      EXPECT_EQ(rows->row().Int64(2), 0) << columns.back();
    }
    if (rows->row().Text(0) == "has_metrics") in_metrics = true;
  }
  std::vector<std::string> metrics;
  for (const auto* field : MetricFields()) metrics.push_back(field->name());
  EXPECT_EQ(columns, metrics) << "a metric was added: add a migration with its column";
}

TEST_F(SchemaTest, EveryTableIsStrict) {
  const absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path_, SqliteOptions());
  ASSERT_OK(store);
  absl::StatusOr<std::unique_ptr<Database>> database = Database::OpenReadOnly(path_, "");
  ASSERT_OK(database);
  EXPECT_EQ(*(*database)->QueryInt64("SELECT COUNT(*) FROM pragma_table_list WHERE type = 'table' AND strict = 0 AND "
                                     "name NOT LIKE 'sqlite_%'"),
            0);
  EXPECT_GT(*(*database)->QueryInt64("SELECT COUNT(*) FROM pragma_table_list WHERE strict = 1"), 15);
}

TEST_F(SchemaTest, AListingUsesTheOrderOfItsKey) {
  const absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path_, SqliteOptions());
  ASSERT_OK(store);
  absl::StatusOr<std::unique_ptr<Database>> database = Database::OpenReadOnly(path_, "");
  ASSERT_OK(database);
  const std::string sql = absl::StrCat("EXPLAIN QUERY PLAN ", SelectLinkResultsSql(),
                                       " AND results.splits_2m > 5 ORDER BY links.point, links.replicate LIMIT 10");
  absl::StatusOr<Statement> plan = (*database)->Prepare(sql);
  ASSERT_OK(plan);
  plan->Bind(1, 2, 3);
  std::string text;
  while (*plan->Step()) absl::StrAppend(&text, plan->Text(3), "\n");
  EXPECT_THAT(text, HasSubstr("SEARCH links USING PRIMARY KEY (experiment_id=? AND (point,replicate)>(?,?))"));
  EXPECT_THAT(text, testing::Not(HasSubstr("SCAN")));
  EXPECT_THAT(text, testing::Not(HasSubstr("TEMP B-TREE")));
}

TEST_F(SchemaTest, ANewFileHasTheNewestVersionAndOurMark) {
  EXPECT_OK(OpenSqliteStore(path_, SqliteOptions()));
  absl::StatusOr<std::unique_ptr<Database>> database = Database::OpenReadWrite(path_, "");
  ASSERT_OK(database);
  EXPECT_EQ(*(*database)->QueryInt64(kVersion), static_cast<int64_t>(Migrations().size()));
  EXPECT_EQ(*(*database)->QueryInt64("PRAGMA application_id"), kApplicationId);
  int expected = 0;
  for (const Migration& migration : Migrations()) EXPECT_EQ(migration.version, ++expected);
}

TEST_F(SchemaTest, AFileOfANewerProgramIsRefusedUnchanged) {
  EXPECT_OK(OpenSqliteStore(path_, SqliteOptions()));
  RunOnFile("PRAGMA user_version = 1000");
  EXPECT_THAT(OpenSqliteStore(path_, SqliteOptions()),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("version 1000"), HasSubstr(absl::StrCat("up to ", Migrations().size())))));
}

TEST_F(SchemaTest, AFileOfAnotherProgramIsRefusedUnchanged) {
  RunOnFile("CREATE TABLE theirs (x)");
  const auto size = std::filesystem::file_size(path_);
  EXPECT_THAT(OpenSqliteStore(path_, SqliteOptions()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another program")));
  EXPECT_EQ(std::filesystem::file_size(path_), size);
  absl::StatusOr<std::unique_ptr<Database>> database = Database::OpenReadWrite(path_, "");
  ASSERT_OK(database);
  EXPECT_EQ(*(*database)->QueryInt64("SELECT COUNT(*) FROM sqlite_schema"), 1);
}

TEST_F(SchemaTest, AFailedMigrationChangesNothing) {
  // A table of the second statement is already there, as if by damage.
  RunOnFile("CREATE TABLE epochs (x); PRAGMA application_id = 1684891250");
  EXPECT_FALSE(OpenSqliteStore(path_, SqliteOptions()).ok());
  absl::StatusOr<std::unique_ptr<Database>> database = Database::OpenReadWrite(path_, "");
  ASSERT_OK(database);
  EXPECT_EQ(*(*database)->QueryInt64(kVersion), 0);
  EXPECT_EQ(*(*database)->QueryInt64("SELECT COUNT(*) FROM sqlite_schema"), 1);
}

TEST_F(SchemaTest, DamageIsFoundWhenTheFileIsOpened) {
  {
    const absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path_, SqliteOptions());
    ASSERT_OK(store);
    ASSERT_OK((*store)->CommitAndWait(MakeExperiment(1, 500, 1, 1)));
  }
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(path_)) - 3 * 4096);
  file << std::string(2 * 4096, '\x5a');
  file.close();
  EXPECT_THAT(OpenSqliteStore(path_, SqliteOptions()), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("store.db")));
}

// A file that the program of that version wrote (testdata/README.md), and that is never written again.
std::string Golden(int version) { return absl::StrCat("storage/schema/testdata/version_", version, ".sqlite3"); }

// What the store that wrote it put in as result of job 1: the metrics there were then, the last one with the largest
// value.
v1::JobResult GoldenResult(int version) {
  // The last metric of each version but today's. It had the largest value; those that came later have none.
  const std::vector<std::string> last_metrics = {"replay_max_abs_difference", "vmalloc_collapses_2m", "compact_fail",
                                                 "translation_ppm_mean", "unusable_free_2m_start_per_mille"};
  v1::JobResult result = TestResult(1, 11).result;
  if (version > static_cast<int>(last_metrics.size())) return result;
  if (version < 5) result.clear_aged_state_sha256();
  v1::Metrics& metrics = *result.mutable_metrics();
  bool is_later = false;
  for (const auto* field : MetricFields()) {
    if (is_later) metrics.GetReflection()->ClearField(&metrics, field);
    if (field->name() != last_metrics[version - 1]) continue;
    SetMetricValue(metrics, *field, std::numeric_limits<int64_t>::max());
    is_later = true;
  }
  return result;
}

// Every later version must open it and find this in it.
TEST_F(SchemaTest, FilesOfEveryVersionAreReadable) {
  for (int version = 1; version <= static_cast<int>(Migrations().size()); ++version) {
    SCOPED_TRACE(version);
    std::filesystem::copy_file(Golden(version), path_, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
    const absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path_, SqliteOptions());
    ASSERT_OK(store);
    const Reader& reader = (*store)->reader();
    EXPECT_EQ(reader.GetLastIds()->experiment, 2);
    EXPECT_EQ(reader.GetLastIds()->fence, ~uint64_t{0});
    EXPECT_EQ(reader.GetLastIds()->epoch, 1u);
    EXPECT_EQ(reader.GetExperiment(2)->state, v1::EXPERIMENT_STATE_CANCELLED);
    const absl::StatusOr<v1::Result> result = reader.GetResult(1);
    ASSERT_OK(result);
    EXPECT_EQ(result->result().SerializeAsString(), GoldenResult(version).SerializeAsString());
    EXPECT_EQ(result->duplicates(), 1);
    EXPECT_EQ(reader.ListAttempts(1)->front().stderr_tail(), "last words");
    EXPECT_EQ(reader.GetRequest(TestRequestId(1))->experiment_id, 1);
    EXPECT_EQ(reader.GetCapture("captures/" + std::string(64, 'a'))->size_bytes(), 5);
    EXPECT_OK((*store)->CommitAndWait(MakeExperiment(3, 2, 2, 100)));
  }
}

}  // namespace
}  // namespace dmfrag::storage::sqlite
