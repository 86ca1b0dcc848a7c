#ifndef DMFRAG_STORAGE_SQLITE_SQLITE_READER_H_
#define DMFRAG_STORAGE_SQLITE_SQLITE_READER_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "storage/sqlite/reader_pool.h"
#include "storage/store.h"

namespace dmfrag::storage::sqlite {

// Reads through a pool of read-only connections. Each call sees one state of the file. Thread-safe.
class SqliteReader : public Reader {
 public:
  // Borrows the pool.
  explicit SqliteReader(ReaderPool* pool) : pool_(*pool) {}

  absl::StatusOr<ExperimentRow> GetExperiment(int64_t id) const override;
  absl::StatusOr<std::vector<ExperimentRow>> ListExperiments(int64_t before_id, int64_t limit) const override;
  absl::StatusOr<RequestRow> GetRequest(const std::string& request_id) const override;
  absl::StatusOr<std::vector<std::optional<JobRow>>> FindJobs(const std::vector<Digest>& digests,
                                                              uint32_t model_version,
                                                              const std::string& salt) const override;
  absl::StatusOr<v1::JobSpec> GetTemplate(int64_t template_id) const override;
  absl::StatusOr<v1::Result> GetResult(int64_t job_id) const override;
  absl::StatusOr<std::vector<v1::Result>> ListResults(const ResultQuery& query) const override;
  absl::StatusOr<std::vector<v1::Attempt>> ListAttempts(int64_t job_id) const override;
  absl::StatusOr<v1::Capture> GetCapture(const std::string& name) const override;
  absl::StatusOr<std::vector<ExperimentRow>> ActiveExperiments() const override;
  absl::Status VisitLinks(int64_t experiment_id,
                          const std::function<void(const LinkRow&, const JobRow&)>& visit) const override;
  absl::StatusOr<std::vector<AttemptRow>> OpenAttempts() const override;
  absl::StatusOr<LastIds> GetLastIds() const override;

 private:
  ReaderPool& pool_;
};

}  // namespace dmfrag::storage::sqlite

#endif  // DMFRAG_STORAGE_SQLITE_SQLITE_READER_H_
