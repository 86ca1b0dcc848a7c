#include "server/coordinator/conversion.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "proto/support/names.h"

namespace dmfrag::server {

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
}

v1::AttemptRef ToRef(const AttemptKey& key) {
  v1::AttemptRef ref;
  ref.set_job_id(key.job_id);
  ref.set_attempt(key.attempt);
  ref.set_fence(key.fence);
  return ref;
}

AttemptKey ToKey(const v1::AttemptRef& ref) { return {ref.job_id(), ref.attempt(), ref.fence()}; }

std::vector<AttemptKey> ToKeys(const google::protobuf::RepeatedPtrField<v1::AttemptRef>& refs) {
  std::vector<AttemptKey> keys;
  keys.reserve(static_cast<size_t>(refs.size()));
  for (const v1::AttemptRef& ref : refs) keys.push_back(ToKey(ref));
  return keys;
}

void ClearServerFields(v1::Experiment& experiment) {
  experiment.clear_name();
  experiment.clear_state();
  experiment.clear_counts();
  experiment.clear_points();
  experiment.clear_create_time();
  experiment.clear_end_time();
  experiment.clear_model_version();
}

v1::Experiment ToProto(const storage::ExperimentRow& row, bool brief) {
  v1::Experiment experiment = row.experiment;
  if (brief) {
    experiment.clear_base();
    experiment.clear_axes();
    experiment.clear_source_text();
  }
  experiment.set_name(ExperimentName(row.id));
  experiment.set_state(row.state);
  experiment.set_points(row.points);
  *experiment.mutable_create_time() = ToTimestamp(row.create_time);
  if (row.end_time.has_value()) *experiment.mutable_end_time() = ToTimestamp(*row.end_time);
  if (row.state == v1::EXPERIMENT_STATE_ACTIVE) {
    experiment.mutable_counts()->set_total(row.jobs_total);
  } else {
    *experiment.mutable_counts() = row.final_counts;
  }
  return experiment;
}

storage::ResultRow ToResultRow(const v1::AttemptReport& report, const std::string& worker, absl::Time now) {
  storage::ResultRow row;
  row.job_id = report.ref().job_id();
  row.attempt = report.ref().attempt();
  row.fence = report.ref().fence();
  row.worker = worker;
  row.result_digest = absl::HexStringToBytes(report.result_sha256());
  row.result = report.result();
  row.wall_us = report.cost().wall_us();
  row.cpu_us = report.cost().cpu_us();
  row.commit_time = now;
  return row;
}

v1::Worker ToWorker(const v1::Hello& hello, uint64_t completed) {
  v1::Worker worker;
  worker.set_name(absl::StrCat("workers/", hello.worker_id()));
  worker.set_host(hello.host());
  worker.set_build(hello.build());
  worker.set_model_version(hello.model_version());
  worker.set_cpu_model(hello.cpu_model());
  worker.set_slots(hello.slots());
  worker.set_completed(completed);
  return worker;
}

}  // namespace dmfrag::server
