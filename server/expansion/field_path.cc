#include "server/expansion/field_path.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "proto/support/cache_limits.h"

namespace dmfrag::server {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

absl::StatusOr<FieldPath> FieldPath::Parse(const Descriptor& type, const std::string& path) {
  FieldPath result;
  const Descriptor* message = &type;
  for (const absl::string_view part : absl::StrSplit(path, '.')) {
    const FieldDescriptor* field = message == nullptr ? nullptr : message->FindFieldByName(std::string(part));
    if (field == nullptr) {
      const auto why = message == nullptr ? std::nullopt : WhyNoOption(*message, std::string(part));
      if (why.has_value()) return absl::InvalidArgumentError(absl::StrCat("\"", path, "\": ", part, " ", *why));
      return absl::InvalidArgumentError(absl::StrCat("\"", path, "\" is no field of ", type.name(), ": there is no \"",
                                                     part, "\"",
                                                     message == nullptr ? "" : absl::StrCat(" in ", message->name())));
    }
    result.fields_.push_back(field);
    message = field->is_repeated() ? nullptr : field->message_type();
  }
  return result;
}

bool FieldPath::IsSetIn(const Message& message) const {
  const Message* at = &message;
  for (const FieldDescriptor* field : fields_) {
    const auto& reflection = *at->GetReflection();
    if (field->is_repeated()) return reflection.FieldSize(*at, field) > 0;
    if (!reflection.HasField(*at, field)) return false;
    if (field->message_type() != nullptr) at = &reflection.GetMessage(*at, field);
  }
  return true;
}

void FieldPath::Copy(const Message& source, Message& message) const {
  Message* to = &message;
  for (size_t i = 0; i + 1 < fields_.size(); ++i) to = to->GetReflection()->MutableMessage(to, fields_[i]);
  to->GetReflection()->ClearField(to, fields_.back());
  if (!IsSetIn(source)) return;
  // A copy of the source that holds nothing but the path.
  std::unique_ptr<Message> only(source.New());
  Message* at = only.get();
  const Message* from = &source;
  for (size_t i = 0; i + 1 < fields_.size(); ++i) {
    at = at->GetReflection()->MutableMessage(at, fields_[i]);
    from = &from->GetReflection()->GetMessage(*from, fields_[i]);
  }
  at->CopyFrom(*from);
  std::vector<const FieldDescriptor*> set;
  at->GetReflection()->ListFields(*at, &set);
  for (const FieldDescriptor* field : set) {
    if (field != fields_.back()) at->GetReflection()->ClearField(at, field);
  }
  message.MergeFrom(*only);
}

}  // namespace dmfrag::server
