#ifndef DMFRAG_WORKER_JOB_REPORT_H_
#define DMFRAG_WORKER_JOB_REPORT_H_

#include <string>

#include "dmfrag/v1/job_result.pb.h"
#include "dmfrag/v1/job_spec.pb.h"

namespace dmfrag::job {

enum class ReportFormat { kJson, kTextproto };

// What dmfrag-job prints: the spec's and the result's digest, and the result. REQUIRES: `canonical` came from
// Canonicalize.
std::string Report(const v1::JobSpec& canonical, const v1::JobResult& result, ReportFormat format);

}  // namespace dmfrag::job

#endif  // DMFRAG_WORKER_JOB_REPORT_H_
