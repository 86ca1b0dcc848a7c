#ifndef DMFRAG_STORAGE_TESTING_FAKE_READER_H_
#define DMFRAG_STORAGE_TESTING_FAKE_READER_H_

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "storage/store.h"
#include "storage/testing/fake_state.h"

namespace dmfrag::storage {

// Reads a FakeState under its mutex. Thread-safe.
class FakeReader : public Reader {
 public:
  // Borrows both.
  FakeReader(std::mutex* mutex, const FakeState* state) : mutex_(*mutex), state_(*state) {}

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
  using Attempts = std::vector<const FakeState::Attempt*>;

  // All need the mutex.
  Attempts AttemptsOf(int64_t job_id) const;
  JobRow RowOf(const FakeState::Job& job) const;
  v1::Result ResultOf(const FakeState::Job& job, bool with_result) const;
  v1::JobSpec SpecOf(const FakeState::Job& job) const;
  v1::Result LinkResult(const FakeState::Link& link) const;

  std::mutex& mutex_;
  const FakeState& state_;
};

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_TESTING_FAKE_READER_H_
