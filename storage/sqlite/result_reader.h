#ifndef DMFRAG_STORAGE_SQLITE_RESULT_READER_H_
#define DMFRAG_STORAGE_SQLITE_RESULT_READER_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dmfrag/v1/job_spec.pb.h"
#include "dmfrag/v1/results.pb.h"
#include "storage/result_filter.h"
#include "storage/sqlite/database.h"
#include "storage/store.h"

// Jobs with their results, put together from their tables. All of it reads in the transaction that is open.
namespace dmfrag::storage::sqlite {

// Parses a stored message. Errors: kDataLoss, naming `place`.
absl::Status ParseStored(std::string_view bytes, const std::string& place, google::protobuf::MessageLite& message);

// Errors: kNotFound.
absl::StatusOr<v1::JobSpec> ReadTemplate(Database& database, int64_t template_id);

// One job, whole. Errors: kNotFound.
absl::StatusOr<v1::Result> ReadJobResult(Database& database, int64_t job_id);

// A page of an experiment's jobs. `where` is query.where, checked.
absl::StatusOr<std::vector<v1::Result>> ReadLinkResults(Database& database, const ResultQuery& query,
                                                        const std::vector<CheckedComparison>& where);

}  // namespace dmfrag::storage::sqlite

#endif  // DMFRAG_STORAGE_SQLITE_RESULT_READER_H_
