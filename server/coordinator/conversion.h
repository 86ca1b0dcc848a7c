#ifndef DMFRAG_SERVER_COORDINATOR_CONVERSION_H_
#define DMFRAG_SERVER_COORDINATOR_CONVERSION_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "dmfrag/v1/experiments.pb.h"
#include "dmfrag/v1/workers.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "server/scheduler/scheduler.h"
#include "storage/store.h"

// Between messages, rows of the store, and the scheduler's own types.
namespace dmfrag::server {

google::protobuf::Timestamp ToTimestamp(absl::Time time);

v1::AttemptRef ToRef(const AttemptKey& key);
AttemptKey ToKey(const v1::AttemptRef& ref);
std::vector<AttemptKey> ToKeys(const google::protobuf::RepeatedPtrField<v1::AttemptRef>& refs);

// Clears what only the server sets.
void ClearServerFields(v1::Experiment& experiment);
// A stored experiment; without base, axes and source_text if `brief`. The counts of an active one are its total alone.
v1::Experiment ToProto(const storage::ExperimentRow& row, bool brief);

storage::ResultRow ToResultRow(const v1::AttemptReport& report, const std::string& worker, absl::Time now);
v1::Worker ToWorker(const v1::Hello& hello, uint64_t completed);

}  // namespace dmfrag::server

#endif  // DMFRAG_SERVER_COORDINATOR_CONVERSION_H_
