// commit_until_killed DATABASE FIRST_ID
//
// Commits unit after unit, several at a time, until it is killed. Each unit adds experiment, template, job and result
// of one id. Writes the id of each acknowledged unit on standard output, as 8 bytes, as soon as it is acknowledged.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <semaphore>

#include "storage/sqlite/sqlite_store.h"
#include "storage/testing/test_rows.h"

namespace dmfrag::storage {
namespace {

constexpr int kUnitsAtOnce = 16;

Store::Work UnitOf(int64_t id) {
  return [id](Writer& writer) -> absl::Status {
    absl::Status status = MakeExperiment(id, 1, 1, id)(writer);
    if (status.ok()) status = writer.InsertResult(TestResult(id, id));
    return status;
  };
}

int CommitUntilKilled(const char* path, int64_t first_id) {
  SqliteOptions options;
  options.checkpoint_frames = 50;  // so that kills also meet checkpoints
  const absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path, options);
  if (!store.ok()) {
    std::fprintf(stderr, "%s\n", store.status().ToString().c_str());
    return 1;
  }
  std::counting_semaphore<kUnitsAtOnce> free_places(kUnitsAtOnce);
  for (int64_t id = first_id;; ++id) {
    free_places.acquire();
    (*store)->Commit(UnitOf(id), [&, id](const absl::Status& status) {
      if (!status.ok()) {
        std::fprintf(stderr, "id %lld: %s\n", static_cast<long long>(id), status.ToString().c_str());
        std::abort();
      }
      if (write(STDOUT_FILENO, &id, sizeof(id)) != sizeof(id)) std::abort();
      free_places.release();
    });
  }
}

}  // namespace
}  // namespace dmfrag::storage

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  return dmfrag::storage::CommitUntilKilled(argv[1], std::atoll(argv[2]));
}
