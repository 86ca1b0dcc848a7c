#include "client/sweep/axis_label.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/sweep/message_reader.h"
#include "client/sweep/quantity.h"
#include "proto/support/range_check.h"
#include "proto/support/value_name.h"

namespace dmfrag::client {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kMaxLabelBytes = 64;

std::string IntegerLabel(uint64_t value, Unit unit) {
  if (unit == Unit::kBytes) return FormatSize(value);
  if (unit == Unit::kMicroseconds) return FormatDuration(value);
  if (unit == Unit::kThousandths) return FormatThousandths(value);
  return absl::StrCat(value);
}

std::string ScalarLabel(const Message& message, const FieldDescriptor& field, Unit unit) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return ValueName(*reflection.GetEnum(message, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return IntegerLabel(reflection.GetUInt32(message, &field), unit);
    case FieldDescriptor::CPPTYPE_UINT64:
      return IntegerLabel(reflection.GetUInt64(message, &field), unit);
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(reflection.GetInt64(message, &field));
    default:
      return SweepName(field);
  }
}

// "a+b": the names of the elements of a list, or how many they are.
std::string ListLabel(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  const int size = reflection.FieldSize(message, &field);
  const FieldDescriptor* name =
      field.message_type() == nullptr ? nullptr : field.message_type()->FindFieldByName("name");
  if (name == nullptr || name->cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
    return absl::StrCat(SweepName(field), "=", size);
  }
  std::vector<std::string> names;
  for (int i = 0; i < size; ++i) {
    const Message& element = reflection.GetRepeatedMessage(message, &field, i);
    names.push_back(element.GetReflection()->GetString(element, name));
  }
  return absl::StrJoin(names, "+");
}

// The set fields of `message`, each "name=value"; a oneof's member by its name, and names of plain messages left out.
std::vector<std::string> Parts(const Message& message, Unit outer) {
  std::vector<std::string> parts;
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const Unit unit = UnitOf(*field, outer);
    const bool member = field->real_containing_oneof() != nullptr;
    if (field->is_repeated()) {
      parts.push_back(ListLabel(message, *field));
    } else if (field->message_type() != nullptr) {
      if (member) parts.push_back(SweepName(*field));
      const std::vector<std::string> inner = Parts(message.GetReflection()->GetMessage(message, field), unit);
      parts.insert(parts.end(), inner.begin(), inner.end());
    } else {
      const std::string value = ScalarLabel(message, *field, unit);
      parts.push_back(member ? value : absl::StrCat(SweepName(*field), "=", value));
    }
  }
  return parts;
}

// At most `bytes` bytes, cut between characters.
std::string Cut(std::string text, size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

}  // namespace

std::string AxisLabel(const v1::JobSpec& spec, const std::vector<const FieldDescriptor*>& path) {
  const Message* message = &spec;
  Unit unit = Unit::kNone;
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    unit = UnitOf(*path[i], unit);
    message = &message->GetReflection()->GetMessage(*message, path[i]);
  }
  return FieldLabel(*message, *path.back(), unit);
}

std::string FieldLabel(const Message& message, const FieldDescriptor& field, Unit outer) {
  const Unit unit = UnitOf(field, outer);
  if (field.is_repeated()) return ListLabel(message, field);
  if (field.message_type() == nullptr) return ScalarLabel(message, field, unit);
  const std::string label = absl::StrJoin(Parts(message.GetReflection()->GetMessage(message, &field), unit), " ");
  return label.empty() ? "defaults" : label;
}

void MakeLabelsUnique(v1::Axis& axis) {
  std::set<std::string> taken;
  for (v1::AxisValue& value : *axis.mutable_values()) {
    const std::string label = Cut(value.label(), kMaxLabelBytes);
    std::string unique = label;
    for (int number = 2; !taken.insert(unique).second; ++number) {
      const std::string suffix = absl::StrCat(" #", number);
      unique = Cut(label, kMaxLabelBytes - suffix.size()) + suffix;
    }
    value.set_label(unique);
  }
}

}  // namespace dmfrag::client
