#include "client/results/metric_columns.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "dmfrag/v1/annotations.pb.h"
#include "third_party/abseil_extras/check.h"

namespace dmfrag::client {
namespace {

using google::protobuf::FieldDescriptor;

MetricColumn RegistryColumn(const FieldDescriptor* field) {
  return {.name = field->name(),
          .unit = field->options().GetExtension(v1::metric).unit(),
          .value = [field](const v1::Metrics& metrics) -> std::optional<double> {
            const google::protobuf::Reflection& reflection = *metrics.GetReflection();
            if (!reflection.HasField(metrics, field)) return std::nullopt;
            return static_cast<double>(reflection.GetInt64(metrics, field));
          }};
}

// A processor without 1G pages has no third figure.
std::optional<double> DirectMap4kPercent(const v1::Metrics& metrics) {
  if (!metrics.has_direct_map_4k_kib() || !metrics.has_direct_map_2m_kib()) return std::nullopt;
  const double small = static_cast<double>(metrics.direct_map_4k_kib());
  const double whole = small + static_cast<double>(metrics.direct_map_2m_kib() + metrics.direct_map_1g_kib());
  if (whole <= 0) return std::nullopt;
  return 100 * small / whole;
}

std::optional<double> Flushes(const v1::Metrics& metrics) {
  if (!metrics.has_flushes_all() && !metrics.has_flushes_range()) return std::nullopt;
  return static_cast<double>(metrics.flushes_all() + metrics.flushes_range());
}

std::vector<MetricColumn> MakeColumns() {
  std::vector<MetricColumn> columns;
  const google::protobuf::Descriptor& metrics = *v1::Metrics::descriptor();
  for (int i = 0; i < metrics.field_count(); ++i) columns.push_back(RegistryColumn(metrics.field(i)));
  columns.push_back({.name = "direct_map_4k_percent", .unit = "%", .derived = true, .value = DirectMap4kPercent});
  columns.push_back({.name = "flushes", .unit = "flushes", .derived = true, .value = Flushes});
  return columns;
}

}  // namespace

const std::vector<MetricColumn>& MetricColumns() {
  static const auto& columns = *new std::vector<MetricColumn>(MakeColumns());
  return columns;
}

size_t MetricIndex(const std::string& name) {
  const std::vector<MetricColumn>& columns = MetricColumns();
  size_t index = 0;
  while (index < columns.size() && columns[index].name != name) ++index;
  CHECK(index < columns.size());
  return index;
}

}  // namespace dmfrag::client
