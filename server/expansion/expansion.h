#ifndef DMFRAG_SERVER_EXPANSION_EXPANSION_H_
#define DMFRAG_SERVER_EXPANSION_EXPANSION_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dmfrag/v1/experiments.pb.h"
#include "dmfrag/v1/job_spec.pb.h"

namespace dmfrag::server {

// An experiment as points and jobs: the only place that makes them. Point k is the k-th element of the Cartesian
// product of the axes, the last axis fastest; job (k, i) is point k with the seed of replicate i. Immutable,
// thread-safe.
class Expansion {
 public:
  static constexpr int64_t kMaxJobs = 10'000'000;
  static constexpr int kMaxAxes = 16;
  static constexpr int kMaxAxisValues = 10'000;
  // An experiment with up to this many points has each of them checked; of a larger one every axis value is checked at
  // one point.
  static constexpr int64_t kMaxPointsChecked = 10'000;

  // Errors: kInvalidArgument that names the field and the remedy.
  static absl::StatusOr<Expansion> Create(const v1::Experiment& experiment);
  // Of an experiment that Create took before: nothing is checked again.
  static Expansion Restore(const v1::Experiment& experiment);

  int64_t points() const { return points_; }
  int64_t replicates() const { return replicates_; }
  int64_t jobs() const { return points_ * replicates_; }

  // Canonical spec of a point, its base seed included. REQUIRES: 0 <= point < points(). Errors: as Canonicalize.
  absl::StatusOr<v1::JobSpec> PointSpec(int64_t point) const;
  // Label of each axis at a point, in the order of the axes.
  std::vector<std::string> Labels(int64_t point) const;

  // SHA-256 in hex of every capture that the base or a value of an axis names.
  std::set<std::string> Captures() const;

  // Seed of replicate `replicate`, a PRF of (base seed, replicate), the same at every point: the first eight bytes,
  // little endian, of SHA-256("dmfrag.replicate\n" base_seed replicate), both as eight bytes little endian.
  static uint64_t ReplicateSeed(uint64_t base_seed, uint64_t replicate);

 private:
  explicit Expansion(v1::Experiment experiment);
  std::vector<int64_t> Coordinates(int64_t point) const;

  v1::Experiment experiment_;
  int64_t points_ = 1;
  int64_t replicates_ = 1;
};

}  // namespace dmfrag::server

#endif  // DMFRAG_SERVER_EXPANSION_EXPANSION_H_
