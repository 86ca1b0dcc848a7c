#ifndef DMFRAG_STORAGE_TESTING_FAKE_STATE_H_
#define DMFRAG_STORAGE_TESTING_FAKE_STATE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "storage/store.h"

namespace dmfrag::storage {

// The tables of FakeStore: plain maps by primary key.
struct FakeState {
  struct Job {
    JobRow row;  // `attempts` is not read
    std::string failure;
  };
  struct Link {
    LinkRow row;
    bool released = false;
  };
  struct Attempt {
    AttemptRow row;
    std::optional<AttemptEnd> end;
  };
  using Content = std::tuple<Digest, uint32_t, std::string>;             // digest, model version, salt
  using LinkKey = std::tuple<int64_t, int64_t, int64_t>;                 // experiment, point, replicate
  using AttemptKey = std::pair<int64_t, uint32_t>;                       // job, number
  using DuplicateKey = std::tuple<int64_t, uint32_t, uint64_t, Digest>;  // job, attempt, fence, digest

  std::map<uint64_t, absl::Time> epochs;
  std::map<int64_t, ExperimentRow> experiments;
  std::map<std::string, RequestRow> requests;
  std::map<int64_t, v1::JobSpec> templates;
  std::map<int64_t, Job> jobs;
  std::map<Content, int64_t> job_ids;
  std::map<LinkKey, Link> links;
  std::map<AttemptKey, Attempt> attempts;
  std::map<int64_t, ResultRow> results;
  std::map<DuplicateKey, ResultRow> duplicates;
  std::map<Digest, v1::Capture> captures;
  std::map<size_t, EventRow> events;  // by their number from 0
  uint64_t last_fence = 0;            // of all that were ever written, undone or not
};

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_TESTING_FAKE_STATE_H_
