#include "proto/support/cache_limits.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "dmfrag/v1/annotations.pb.h"
#include "google/protobuf/message.h"
#include "proto/support/figure_limits.h"
#include "proto/support/range_check.h"
#include "proto/support/spelling.h"
#include "proto/support/value_name.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;

const OneofDescriptor& Types() { return *v1::CacheSpec::descriptor()->FindOneofByName("type"); }

// The member of CacheSpec whose message is `type`; null if it is no cache type.
const FieldDescriptor* MemberOf(const Descriptor& type) {
  for (int i = 0; i < Types().field_count(); ++i) {
    if (Types().field(i)->message_type() == &type) return Types().field(i);
  }
  return nullptr;
}

// Null: `type` does not refuse it.
const std::string* ReasonFor(const Descriptor& type, std::string_view refused) {
  const v1::CacheTypeInfo& info = type.options().GetExtension(v1::cache_type);
  for (const v1::RefusedOption& entry : info.refuses()) {
    if (entry.option() == refused) return &entry.reason();
  }
  return nullptr;
}

std::vector<std::string> TypesWith(const std::string& option) {
  std::vector<std::string> names;
  for (int i = 0; i < Types().field_count(); ++i) {
    const FieldDescriptor& type = *Types().field(i);
    if (type.message_type()->FindFieldByName(option) != nullptr) names.push_back(type.name());
  }
  return names;
}

const std::string* ReasonFor(const FieldDescriptor& option, const EnumValueDescriptor& value) {
  return ReasonFor(*option.containing_type(), absl::StrCat(option.name(), ".", ValueName(value)));
}

absl::Status CheckValues(const std::string& path, const Message& type) {
  std::vector<const FieldDescriptor*> options;
  type.GetReflection()->ListFields(type, &options);
  for (const FieldDescriptor* option : options) {
    if (option->cpp_type() != FieldDescriptor::CPPTYPE_ENUM) continue;
    const auto why = WhyNoValue(*option, *type.GetReflection()->GetEnum(type, option));
    if (why.has_value()) return WrongField(absl::StrCat(path, ".", option->name()), *why);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckCache(const v1::CacheSpec& cache) {
  const FieldDescriptor* type = cache.GetReflection()->GetOneofFieldDescriptor(cache, &Types());
  if (type == nullptr) return WrongField("cache", "is required; for example none or global");
  const std::string path = "cache." + type->name();
  const Message& options = cache.GetReflection()->GetMessage(cache, type);
  RETURN_IF_ERROR(CheckFigures(path, options));
  return CheckValues(path, options);
}

std::optional<std::string> WhyNoOption(const Descriptor& type, std::string_view name) {
  const FieldDescriptor* member = MemberOf(type);
  if (member == nullptr) return std::nullopt;
  const std::string start = absl::StrCat("is no option of ", member->name(), ": ");
  if (const std::string* reason = ReasonFor(type, name)) return absl::StrCat(start, *reason, "; leave it out");
  const std::vector<std::string> others = TypesWith(std::string(name));
  if (others.empty()) return std::nullopt;
  return absl::StrCat(start, "only ", absl::StrJoin(others, ", "), others.size() == 1 ? " has it" : " have it",
                      "; leave it out");
}

std::optional<std::string> WhyNoValue(const FieldDescriptor& option, const EnumValueDescriptor& value) {
  const std::string* reason = ReasonFor(option, value);
  if (reason == nullptr) return std::nullopt;
  return absl::StrCat(ValueName(value), " is refused by ", MemberOf(*option.containing_type())->name(), ": ", *reason,
                      "; ", AllowedNames("", AllowedValues(option)));
}

std::vector<std::string> AllowedValues(const FieldDescriptor& option) {
  std::vector<std::string> names;
  for (int i = 0; i < option.enum_type()->value_count(); ++i) {
    const EnumValueDescriptor& value = *option.enum_type()->value(i);
    if (value.number() != 0 && ReasonFor(option, value) == nullptr) names.push_back(ValueName(value));
  }
  return names;
}

}  // namespace dmfrag
