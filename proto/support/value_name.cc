#include "proto/support/value_name.h"

#include "absl/strings/ascii.h"

namespace dmfrag {

using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;

std::string_view ValuePrefix(const EnumDescriptor& type) {
  std::string_view zero = type.value(0)->name();
  constexpr std::string_view kUnspecified = "UNSPECIFIED";
  if (zero.ends_with(kUnspecified)) zero.remove_suffix(kUnspecified.size());
  return zero;
}

std::string ValueName(const EnumValueDescriptor& value) {
  std::string_view name = value.name();
  if (const std::string_view prefix = ValuePrefix(*value.type()); name.starts_with(prefix)) {
    name.remove_prefix(prefix.size());
  }
  std::string written;
  for (size_t i = 0; i < name.size(); ++i) {
    const bool between_digits = name[i] == '_' && i > 0 && absl::ascii_isdigit(name[i - 1]) && i + 1 < name.size() &&
                                absl::ascii_isdigit(name[i + 1]);
    written += between_digits ? '.' : absl::ascii_tolower(name[i]);
  }
  return written;
}

std::vector<std::string> ValueNames(const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0) names.push_back(ValueName(*type.value(i)));
  }
  return names;
}

}  // namespace dmfrag
