// write_golden DATABASE
//
// Writes a store with a row in every table: how schema/testdata/version_N.sqlite3 are made.
#include <cstdio>

#include "storage/sqlite/sqlite_store.h"
#include "storage/testing/test_rows.h"

namespace dmfrag::storage {
namespace {

absl::Status WriteRows(Writer& writer) {
  v1::Capture capture;
  capture.set_name("captures/" + std::string(64, 'a'));
  capture.set_size_bytes(5);
  capture.set_display_name("golden");
  absl::Status status = writer.StartEpoch(TestTime(0)).status();
  status.Update(MakeExperiment(1, 2, 1, 1)(writer));
  status.Update(MakeExperiment(2, 2, 1, 3)(writer));
  status.Update(writer.InsertAttempt(TestAttempt(1, 1, ~uint64_t{0})));
  status.Update(writer.EndAttempt(AttemptEnd{1, 1, TestTime(1), v1::FAILURE_CLASS_LOST, "gone", "last words"}));
  status.Update(writer.InsertResult(TestResult(1, 11)));
  status.Update(writer.InsertDuplicate(TestResult(1, 12), "late"));
  status.Update(writer.EndExperiment(2, v1::EXPERIMENT_STATE_CANCELLED, TestTime(2), v1::JobCounts()));
  status.Update(writer.InsertCapture(capture));
  status.Update(writer.InsertEvent(EventRow{TestTime(3), "job_leased", 1, 1, 1, "golden"}));
  return status;
}

int WriteGolden(const char* path) {
  const absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path, SqliteOptions());
  const absl::Status status = store.ok() ? (*store)->CommitAndWait(WriteRows) : store.status();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace dmfrag::storage

int main(int argc, char** argv) { return argc == 2 ? dmfrag::storage::WriteGolden(argv[1]) : 2; }
