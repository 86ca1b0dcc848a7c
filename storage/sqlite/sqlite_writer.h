#ifndef DMFRAG_STORAGE_SQLITE_SQLITE_WRITER_H_
#define DMFRAG_STORAGE_SQLITE_SQLITE_WRITER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "storage/sqlite/database.h"
#include "storage/store.h"

namespace dmfrag::storage::sqlite {

// Writes rows in the transaction that is open on a connection. Single-thread.
//
// A failure of the file or the disk spoils the unit that runs: its changes may be half there, so the unit must be
// undone whatever the caller's work makes of the status (`spoiled`).
class SqliteWriter : public Writer {
 public:
  // Borrows the read-write connection. REQUIRES: the schema is up to date.
  static absl::StatusOr<std::unique_ptr<SqliteWriter>> Create(Database* database);

  absl::StatusOr<uint64_t> StartEpoch(absl::Time now) override;
  absl::Status InsertExperiment(const ExperimentRow& row, const std::string& request_id,
                                const Digest& request_digest) override;
  absl::Status InsertTemplate(int64_t template_id, const v1::JobSpec& spec) override;
  absl::Status InsertJobs(int64_t experiment_id, const std::vector<JobRow>& new_jobs, const std::vector<LinkRow>& links,
                          int64_t jobs_made) override;
  absl::Status InsertAttempt(const AttemptRow& row) override;
  absl::Status EndAttempt(const AttemptEnd& end) override;
  absl::Status InsertResult(const ResultRow& row) override;
  absl::Status InsertDuplicate(const ResultRow& row, const std::string& reason) override;
  absl::Status SetJobState(int64_t job_id, v1::JobState state, const std::string& failure) override;
  absl::Status EndExperiment(int64_t experiment_id, v1::ExperimentState state, absl::Time end_time,
                             const v1::JobCounts& counts) override;
  absl::Status InsertRequest(const std::string& request_id, const RequestRow& row) override;
  absl::Status InsertCapture(const v1::Capture& capture) override;
  absl::Status InsertEvent(const EventRow& event) override;

  // Called between units: what the unit before spoiled is over.
  void BeginUnit() { spoiled_ = absl::OkStatus(); }
  // Why the unit that ran must be undone; OK if nothing forces that.
  const absl::Status& spoiled() const { return spoiled_; }
  // Called when a unit was undone: forgets which rows are known to be there.
  void UnitUndone() { attribution_keys_.clear(); }
  // Called when the whole transaction was undone.
  void TransactionUndone();
  // Writes what is kept once per transaction. Called before COMMIT.
  absl::Status FinishTransaction();

 private:
  using AttributionKey = std::tuple<std::string, std::string, std::string>;

  SqliteWriter(Database* database, uint64_t last_fence)
      : database_(*database), last_fence_(last_fence), written_last_fence_(last_fence) {}

  // Passes `status` on, and notes it if it spoils the unit.
  absl::Status Note(absl::Status status);
  // Runs `body` so that a failure undoes what it changed.
  template <typename Body>
  absl::Status Atomically(Body body);

  absl::Status InsertExperimentRows(const ExperimentRow& row, const std::string& request_id,
                                    const Digest& request_digest);
  absl::Status InsertJobRows(const std::vector<JobRow>& jobs);
  absl::Status InsertLinkRows(const std::vector<LinkRow>& links);
  absl::Status EndAttemptRows(const AttemptEnd& end);
  absl::Status InsertResultRow(const ResultRow& row);
  absl::Status InsertDetails(const ResultRow& row);
  absl::Status InsertAttributions(const ResultRow& row);
  absl::StatusOr<int64_t> AttributionKeyId(const v1::Attribution& attribution);
  absl::Status RequireJob(int64_t job_id);

  Database& database_;
  absl::Status spoiled_;
  uint64_t last_fence_;          // greatest ever seen, undone units included
  uint64_t written_last_fence_;  // what the database holds, once the transaction commits
  absl::flat_hash_map<AttributionKey, int64_t> attribution_keys_;
};

}  // namespace dmfrag::storage::sqlite

#endif  // DMFRAG_STORAGE_SQLITE_SQLITE_WRITER_H_
