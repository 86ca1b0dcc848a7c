#ifndef DMFRAG_STORAGE_SQLITE_RESULT_COLUMNS_H_
#define DMFRAG_STORAGE_SQLITE_RESULT_COLUMNS_H_

#include <string>

// SQL whose columns follow from the metric registry, so that a new metric needs a migration and nothing else here.
namespace dmfrag::storage::sqlite {

// Inserts a row of `results`: the eleven fixed columns, then one per MetricFields().
const char* InsertResultSql();

// Places of the columns of a job with its result, in the text below.
enum ResultColumn {
  kJobId,
  kSpecDigest,
  kModelVersion,
  kTemplateId,
  kSeed,
  kState,
  kFailure,
  kAttempts,
  kDuplicates,
  kPoint,        // NULL outside an experiment
  kReplicate,    // NULL outside an experiment
  kResultJobId,  // NULL: no result; so are all that follow
  kResultDigest,
  kCommitTime,
  kOutcome,
  kHasMetrics,
  kAgedState,    // NULL without ageing
  kFirstMetric,  // and one per further MetricFields()
};

// Selects one job by its id: ?
const char* SelectJobResultSql();

// The head of a listing of an experiment's links, up to and with "WHERE links.experiment_id = ? AND
// (links.point, links.replicate) > (?, ?)". Conditions, order and limit are to be added.
std::string SelectLinkResultsSql();

// The state a link shows: that of its job, or CANCELLED once it is released.
inline constexpr char kLinkStateSql[] = "IIF(links.released, 5, jobs.state)";

}  // namespace dmfrag::storage::sqlite

#endif  // DMFRAG_STORAGE_SQLITE_RESULT_COLUMNS_H_
