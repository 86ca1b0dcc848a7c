// kill -9 at random points: every acknowledged unit is there afterwards, whole, once.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "storage/sqlite/database.h"
#include "storage/sqlite/sqlite_store.h"
#include "storage/testing/test_rows.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::storage::sqlite {
namespace {

constexpr int kRounds = 20;
constexpr uint64_t kSeed = 4711;
constexpr char kChild[] = "storage/sqlite/testing/commit_until_killed";

// Starts the child, kills it after `acknowledgements` and up to a millisecond more, and returns all it acknowledged.
std::vector<int64_t> RunAndKill(const std::string& path, int64_t first_id, size_t acknowledgements,
                                useconds_t microseconds) {
  int pipe_ends[2];
  EXPECT_EQ(pipe(pipe_ends), 0);
  const std::string first = absl::StrCat(first_id);
  const pid_t child = fork();
  if (child == 0) {
    dup2(pipe_ends[1], STDOUT_FILENO);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    execl(kChild, kChild, path.c_str(), first.c_str(), nullptr);
    _exit(127);
  }
  close(pipe_ends[1]);
  std::vector<int64_t> ids;
  int64_t id;
  bool killed = false;
  while (read(pipe_ends[0], &id, sizeof(id)) == sizeof(id)) {
    ids.push_back(id);
    if (ids.size() < acknowledgements || killed) continue;
    usleep(microseconds);  // not to wait for anything: it moves the kill to another point of a transaction
    kill(child, SIGKILL);
    killed = true;
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "the child ended by itself: " << status;
  close(pipe_ends[0]);
  return ids;
}

void ExpectOk(const std::string& path, const char* sql) {
  absl::StatusOr<std::unique_ptr<Database>> database = Database::OpenReadOnly(path, "");
  ASSERT_OK(database);
  absl::StatusOr<Rows> rows = (*database)->Query(sql);
  ASSERT_OK(rows);
  while (true) {
    const absl::StatusOr<bool> found = rows->Next();
    ASSERT_OK(found);
    if (!*found) return;
    EXPECT_EQ(rows->row().Text(0), "ok") << sql;
  }
}

TEST(KillTest, EveryAcknowledgedUnitSurvives) {
  const std::string folder = absl::StrCat(testing::TempDir(), "/kill_test");
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::string path = folder + "/store.db";
  std::mt19937_64 random(kSeed);
  std::vector<int64_t> acknowledged;
  int64_t next_id = 1;
  for (int round = 0; round < kRounds && !testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE(absl::StrCat("seed ", kSeed, ", round ", round));
    const std::vector<int64_t> ids = RunAndKill(path, next_id, 1 + random() % 300, random() % 1000);
    ASSERT_FALSE(ids.empty());
    acknowledged.insert(acknowledged.end(), ids.begin(), ids.end());
    const absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path, SqliteOptions());
    ASSERT_OK(store);
    const Reader& reader = (*store)->reader();
    for (int64_t id : acknowledged) {
      const absl::StatusOr<v1::Result> result = reader.GetResult(id);
      ASSERT_OK(result) << "lost: " << id;
      EXPECT_EQ(result->result().SerializeAsString(), TestResult(id, id).result.SerializeAsString());
    }
    // Units that were under way are there whole or not at all.
    const int64_t last = reader.GetLastIds()->experiment;
    EXPECT_EQ(last, reader.GetLastIds()->job);
    for (int64_t id = ids.front(); id <= last; ++id) EXPECT_TRUE(reader.GetResult(id)->has_result()) << id;
    ExpectOk(path, "PRAGMA integrity_check");
    ExpectOk(path, "PRAGMA foreign_key_check");
    next_id = last + 1;
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace dmfrag::storage::sqlite
