#ifndef DMFRAG_STORAGE_METRIC_FIELDS_H_
#define DMFRAG_STORAGE_METRIC_FIELDS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "dmfrag/v1/job_result.pb.h"
#include "google/protobuf/descriptor.h"

namespace dmfrag::storage {

// The fields of v1::Metrics in order of their numbers. Each is an optional int64 and a column of `results`.
const std::vector<const google::protobuf::FieldDescriptor*>& MetricFields();

// The value of one of them, if present.
std::optional<int64_t> MetricValue(const v1::Metrics& metrics, const google::protobuf::FieldDescriptor& field);

// Sets one of them.
void SetMetricValue(v1::Metrics& metrics, const google::protobuf::FieldDescriptor& field, int64_t value);

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_METRIC_FIELDS_H_
