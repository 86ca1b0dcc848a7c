#ifndef DMFRAG_STORAGE_TESTING_FAKE_WRITER_H_
#define DMFRAG_STORAGE_TESTING_FAKE_WRITER_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "storage/store.h"
#include "storage/testing/fake_state.h"

namespace dmfrag::storage {

// Writes to a FakeState, and remembers how to undo it. Single-thread; lives for one unit.
class FakeWriter : public Writer {
 public:
  explicit FakeWriter(FakeState* state) : state_(*state) {}

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

  // Takes back everything written.
  void Undo() { UndoTo(0); }

 private:
  // Sets an entry, new or not.
  template <typename Key, typename Value>
  void Set(std::map<Key, Value>& map, const Key& key, Value value);
  // Adds an entry. Errors: kAlreadyExists, naming `what`.
  template <typename Key, typename Value>
  absl::Status Insert(std::map<Key, Value>& map, const Key& key, Value value, const std::string& what);
  void UndoTo(size_t size);

  absl::Status InsertJob(const JobRow& job);
  absl::Status InsertLink(const LinkRow& link);
  absl::Status RequireJob(int64_t job_id) const;
  void ReleaseLinks(int64_t experiment_id);

  FakeState& state_;
  std::vector<std::function<void()>> undo_;
};

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_TESTING_FAKE_WRITER_H_
