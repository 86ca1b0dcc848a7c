#ifndef DMFRAG_WORKER_JOB_SPEC_FILE_H_
#define DMFRAG_WORKER_JOB_SPEC_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "dmfrag/v1/job_spec.pb.h"

namespace dmfrag::job {

// Reads a job spec: .txtpb is text format, .json is proto3 JSON, .binpb is the wire format; "-" is standard input, in
// text format. Errors: kNotFound if the file cannot be read; kInvalidArgument, with the place, if it is no job spec.
absl::StatusOr<v1::JobSpec> ReadSpecFile(const std::string& path);

}  // namespace dmfrag::job

#endif  // DMFRAG_WORKER_JOB_SPEC_FILE_H_
