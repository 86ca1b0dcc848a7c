#include "storage/metric_fields.h"

#include <algorithm>

#include "third_party/abseil_extras/check.h"

namespace dmfrag::storage {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

std::vector<const FieldDescriptor*> FieldsInOrder() {
  const Descriptor* descriptor = v1::Metrics::descriptor();
  std::vector<const FieldDescriptor*> fields;
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    CHECK(field->cpp_type() == FieldDescriptor::CPPTYPE_INT64 && field->has_presence());
    fields.push_back(field);
  }
  std::sort(fields.begin(), fields.end(), [](const auto* a, const auto* b) { return a->number() < b->number(); });
  return fields;
}

}  // namespace

const std::vector<const FieldDescriptor*>& MetricFields() {
  static const auto* const fields = new std::vector<const FieldDescriptor*>(FieldsInOrder());
  return *fields;
}

std::optional<int64_t> MetricValue(const v1::Metrics& metrics, const FieldDescriptor& field) {
  const google::protobuf::Reflection& reflection = *v1::Metrics::GetReflection();
  if (!reflection.HasField(metrics, &field)) return std::nullopt;
  return reflection.GetInt64(metrics, &field);
}

void SetMetricValue(v1::Metrics& metrics, const FieldDescriptor& field, int64_t value) {
  v1::Metrics::GetReflection()->SetInt64(&metrics, &field, value);
}

}  // namespace dmfrag::storage
