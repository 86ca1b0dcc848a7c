#include "client/sweep/message_reader.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "dmfrag/v1/annotations.pb.h"
#include "proto/support/cache_limits.h"
#include "proto/support/spelling.h"
#include "proto/support/value_name.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;
using google::protobuf::Reflection;

constexpr std::string_view kBytesSuffix = "_bytes";
constexpr std::string_view kMicrosecondsSuffix = "_us";
constexpr std::string_view kDigestSuffix = "_sha256";
constexpr std::string_view kThousandthsSuffix = "_thousandths";

// Upper case, '.' and '-' for '_'.
std::string EnumKey(std::string_view written) {
  std::string key;
  for (const char c : written) key += c == '.' || c == '-' ? '_' : absl::ascii_toupper(c);
  return key;
}

const EnumValueDescriptor* FindValue(const EnumDescriptor& type, std::string_view written) {
  const std::string key = EnumKey(written);
  const EnumValueDescriptor* value = type.FindValueByName(std::string(ValuePrefix(type)) + key);
  return value != nullptr ? value : type.FindValueByName(key);
}

// The oneof of a message that is nothing else; null if the message has other fields too. Such a message can be written
// as a scalar, and needs a member.
const OneofDescriptor* OnlyOneof(const Descriptor& type) {
  if (type.real_oneof_decl_count() != 1) return nullptr;
  return type.oneof_decl(0)->field_count() == type.field_count() ? type.oneof_decl(0) : nullptr;
}

// Members of a oneof that a scalar can name.
std::vector<std::string> MemberNames(const OneofDescriptor& oneof) {
  std::vector<std::string> names;
  for (int i = 0; i < oneof.field_count(); ++i) {
    if (oneof.field(i)->message_type() != nullptr) names.push_back(SweepName(*oneof.field(i)));
  }
  return names;
}

const FieldDescriptor* StringMember(const OneofDescriptor& oneof) {
  for (int i = 0; i < oneof.field_count(); ++i) {
    if (oneof.field(i)->cpp_type() == FieldDescriptor::CPPTYPE_STRING) return oneof.field(i);
  }
  return nullptr;
}

// The second field of a list's messages that are a text and a number; null for all others.
const FieldDescriptor* PairedField(const FieldDescriptor& field) {
  const Descriptor* type = field.message_type();
  if (type == nullptr || type->field_count() != 2 || type->real_oneof_decl_count() != 0) return nullptr;
  if (type->field(0)->cpp_type() != FieldDescriptor::CPPTYPE_STRING || type->field(0)->is_repeated()) return nullptr;
  return type->field(1)->cpp_type() == FieldDescriptor::CPPTYPE_UINT64 && !type->field(1)->is_repeated()
             ? type->field(1)
             : nullptr;
}

// Reads the places of one file.
class Reader {
 public:
  explicit Reader(const SourceFile& file) : file_(file) {}

  absl::Status ReadMessage(const SourceNode& node, Unit unit, Message& message) const {
    switch (node.kind) {
      case SourceNode::Kind::kMap:
        return ReadMap(node, unit, message);
      case SourceNode::Kind::kScalar:
        return ReadShorthand(node, message);
      case SourceNode::Kind::kNull:
      case SourceNode::Kind::kList:
        return file_.Error(node.place, absl::StrCat(KindText(node), "; ", MessageForm(*message.GetDescriptor())));
    }
    return absl::OkStatus();
  }

  absl::Status ReadField(const SourceNode& node, const FieldDescriptor& field, Unit outer, Message& message) const {
    const Unit unit = UnitOf(field, outer);
    if (!field.is_repeated()) return ReadSingle(node, field, unit, message);
    const FieldDescriptor* paired = PairedField(field);
    if (paired != nullptr && node.kind == SourceNode::Kind::kMap) return ReadPairs(node, field, *paired, unit, message);
    if (node.kind != SourceNode::Kind::kList) {
      const char* form = paired == nullptr ? " takes a list [...]" : " takes a map {name: value, ...}";
      return file_.Error(node.place, absl::StrCat(KindText(node), "; ", SweepName(field), form));
    }
    for (const SourceNode& item : node.items) RETURN_IF_ERROR(ReadSingle(item, field, unit, message));
    return absl::OkStatus();
  }

 private:
  static std::string KindText(const SourceNode& node) {
    if (node.kind == SourceNode::Kind::kScalar) return Shown(node.scalar) + " stands here";
    return absl::StrCat(KindName(node.kind), " stands here");
  }

  // One element for each "name: value".
  absl::Status ReadPairs(const SourceNode& node, const FieldDescriptor& field, const FieldDescriptor& paired, Unit unit,
                         Message& message) const {
    for (const SourceEntry& entry : node.entries) {
      Message& element = *message.GetReflection()->AddMessage(&message, &field);
      element.GetReflection()->SetString(&element, field.message_type()->field(0), entry.key);
      RETURN_IF_ERROR(ReadField(entry.value, paired, unit, element));
    }
    return absl::OkStatus();
  }

  // What may be written for a message.
  static std::string MessageForm(const Descriptor& type) {
    const OneofDescriptor* oneof = OnlyOneof(type);
    const std::string map = absl::StrCat("write a map of ", absl::StrJoin(SweepNames(type), ", "));
    if (oneof == nullptr) return map;
    return absl::StrCat("write one of ", absl::StrJoin(MemberNames(*oneof), ", "), ", or a map");
  }

  absl::Status ReadMap(const SourceNode& node, Unit unit, Message& message) const {
    const Descriptor& type = *message.GetDescriptor();
    const FieldDescriptor* member = nullptr;
    std::vector<const FieldDescriptor*> seen;
    for (const SourceEntry& entry : node.entries) {
      const FieldDescriptor* field = FindField(type, entry.key);
      if (field == nullptr) {
        return file_.Error(entry.key_place, UnknownName("unknown key ", type, entry.key));
      }
      // `a-b` beside `a_b`.
      if (std::find(seen.begin(), seen.end(), field) != seen.end()) {
        return file_.Error(entry.key_place, absl::StrCat("key ", Shown(entry.key), " is there twice; leave one"));
      }
      seen.push_back(field);
      if (field->real_containing_oneof() != nullptr) {
        if (member != nullptr) {
          return file_.Error(entry.key_place, absl::StrCat(Shown(entry.key), " stands beside ", SweepName(*member),
                                                           "; exactly one of them may be set"));
        }
        member = field;
      }
      RETURN_IF_ERROR(ReadField(entry.value, *field, unit, message));
    }
    if (member == nullptr && OnlyOneof(type) != nullptr) {
      return file_.Error(node.place, absl::StrCat("an empty map stands here; ", MessageForm(type)));
    }
    return absl::OkStatus();
  }

  // `cache: none`, `workload: secretmem`.
  absl::Status ReadShorthand(const SourceNode& node, Message& message) const {
    const Descriptor& type = *message.GetDescriptor();
    const OneofDescriptor* oneof = OnlyOneof(type);
    if (oneof == nullptr) return file_.Error(node.place, absl::StrCat(KindText(node), "; ", MessageForm(type)));
    const FieldDescriptor* field = FindField(type, node.scalar);
    if (field != nullptr && field->message_type() != nullptr) {
      message.GetReflection()->MutableMessage(&message, field);
      return absl::OkStatus();
    }
    const FieldDescriptor* string_member = StringMember(*oneof);
    if (string_member == nullptr) {
      return file_.Error(node.place, absl::StrCat("unknown name ", Shown(node.scalar), "; ",
                                                  AllowedNames(NormalName(node.scalar), MemberNames(*oneof))));
    }
    message.GetReflection()->SetString(&message, string_member, node.scalar);
    return absl::OkStatus();
  }

  absl::Status ReadSingle(const SourceNode& node, const FieldDescriptor& field, Unit unit, Message& message) const {
    const Reflection& reflection = *message.GetReflection();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Message* inner =
          field.is_repeated() ? reflection.AddMessage(&message, &field) : reflection.MutableMessage(&message, &field);
      // `none:` with nothing behind it: the member with its defaults.
      if (node.kind == SourceNode::Kind::kNull && OnlyOneof(*field.message_type()) == nullptr) return absl::OkStatus();
      return ReadMessage(node, unit, *inner);
    }
    if (node.kind != SourceNode::Kind::kScalar) {
      return file_.Error(node.place,
                         absl::StrCat(KindText(node), "; ", SweepName(field), " takes ", ScalarForm(field, unit)));
    }
    return ReadScalar(node, field, unit, message);
  }

  static std::string ScalarForm(const FieldDescriptor& field, Unit unit) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        return "true or false";
      case FieldDescriptor::CPPTYPE_ENUM:
        return "one of " + absl::StrJoin(AllowedValues(field), ", ");
      case FieldDescriptor::CPPTYPE_STRING:
        return NamesCapture(field) ? "a capture's file, e.g. capture.json.xz" : "a text";
      default:
        break;
    }
    if (unit == Unit::kBytes) return "a size, e.g. 4GiB";
    if (unit == Unit::kMicroseconds) return "a duration, e.g. 20ms";
    if (unit == Unit::kThousandths) return "a number, e.g. 1.5";
    return "a whole number, e.g. 4";
  }

  absl::Status ReadScalar(const SourceNode& node, const FieldDescriptor& field, Unit unit, Message& message) const {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        return ReadBool(node, field, message);
      case FieldDescriptor::CPPTYPE_ENUM:
        return ReadEnum(node, field, message);
      case FieldDescriptor::CPPTYPE_STRING:
        return SetString(node, field, message);
      case FieldDescriptor::CPPTYPE_UINT32:
      case FieldDescriptor::CPPTYPE_UINT64:
      case FieldDescriptor::CPPTYPE_INT32:
      case FieldDescriptor::CPPTYPE_INT64:
        return ReadInteger(node, field, unit, message);
      default:
        return file_.Error(node.place, absl::StrCat(SweepName(field), " cannot be set in a sweep file; leave it out"));
    }
  }

  absl::Status ReadBool(const SourceNode& node, const FieldDescriptor& field, Message& message) const {
    if (node.scalar != "true" && node.scalar != "false") {
      return file_.Error(node.place,
                         absl::StrCat(Shown(node.scalar), " stands for ", SweepName(field), "; write true or false"));
    }
    const bool value = node.scalar == "true";
    if (field.is_repeated()) {
      message.GetReflection()->AddBool(&message, &field, value);
    } else {
      message.GetReflection()->SetBool(&message, &field, value);
    }
    return absl::OkStatus();
  }

  absl::Status SetCapture(const SourceNode& node, const FieldDescriptor& field, Message& message) const {
    ASSIGN_OR_RETURN(std::string digest, file_.CaptureDigest(node.place, node.scalar));
    message.GetReflection()->SetString(&message, &field, std::move(digest));
    return absl::OkStatus();
  }

  absl::Status SetString(const SourceNode& node, const FieldDescriptor& field, Message& message) const {
    if (NamesCapture(field)) return SetCapture(node, field, message);
    if (field.is_repeated()) {
      message.GetReflection()->AddString(&message, &field, node.scalar);
    } else {
      message.GetReflection()->SetString(&message, &field, node.scalar);
    }
    return absl::OkStatus();
  }

  absl::Status ReadEnum(const SourceNode& node, const FieldDescriptor& field, Message& message) const {
    const EnumValueDescriptor* value = FindValue(*field.enum_type(), node.scalar);
    if (value == nullptr || value->number() == 0) {
      return file_.Error(node.place, absl::StrCat("unknown ", SweepName(field), " ", Shown(node.scalar), "; ",
                                                  AllowedNames(NormalName(node.scalar), AllowedValues(field))));
    }
    if (const std::optional<std::string> why = WhyNoValue(field, *value)) {
      return file_.Error(node.place, absl::StrCat(SweepName(field), ": ", *why));
    }
    if (field.is_repeated()) {
      message.GetReflection()->AddEnum(&message, &field, value);
    } else {
      message.GetReflection()->SetEnum(&message, &field, value);
    }
    return absl::OkStatus();
  }

  static absl::StatusOr<uint64_t> ParseNumber(const std::string& text, Unit unit) {
    switch (unit) {
      case Unit::kBytes:
        return ParseSize(text);
      case Unit::kMicroseconds:
        return ParseDuration(text);
      case Unit::kThousandths:
        return ParseThousandths(text);
      case Unit::kNone:
        break;
    }
    return ParseCount(text);
  }

  absl::Status ReadInteger(const SourceNode& node, const FieldDescriptor& field, Unit unit, Message& message) const {
    const absl::StatusOr<uint64_t> value = ParseNumber(node.scalar, unit);
    if (!value.ok()) {
      return file_.Error(node.place, absl::StrCat(SweepName(field), ": ", value.status().message()));
    }
    const uint64_t largest = LargestOf(field);
    if (*value > largest) {
      return file_.Error(node.place, absl::StrCat(SweepName(field), ": ", Shown(node.scalar),
                                                  " is out of range; write 0 to ", largest));
    }
    SetInteger(field, *value, message);
    return absl::OkStatus();
  }

  static uint64_t LargestOf(const FieldDescriptor& field) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_UINT32:
        return std::numeric_limits<uint32_t>::max();
      case FieldDescriptor::CPPTYPE_INT32:
        return std::numeric_limits<int32_t>::max();
      case FieldDescriptor::CPPTYPE_INT64:
        return std::numeric_limits<int64_t>::max();
      default:
        return std::numeric_limits<uint64_t>::max();
    }
  }

  static void SetInteger(const FieldDescriptor& field, uint64_t value, Message& message) {
    const Reflection& reflection = *message.GetReflection();
    const bool add = field.is_repeated();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_UINT32:
        add ? reflection.AddUInt32(&message, &field, value) : reflection.SetUInt32(&message, &field, value);
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        add ? reflection.AddInt32(&message, &field, value) : reflection.SetInt32(&message, &field, value);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        add ? reflection.AddInt64(&message, &field, value) : reflection.SetInt64(&message, &field, value);
        break;
      default:
        add ? reflection.AddUInt64(&message, &field, value) : reflection.SetUInt64(&message, &field, value);
        break;
    }
  }

  const SourceFile& file_;
};

}  // namespace

std::string WithoutUnit(std::string_view name) {
  for (const std::string_view suffix : {kBytesSuffix, kMicrosecondsSuffix, kThousandthsSuffix, kDigestSuffix}) {
    if (name.ends_with(suffix)) name.remove_suffix(suffix.size());
  }
  return std::string(name);
}

std::string SweepName(const FieldDescriptor& field) { return WithoutUnit(field.name()); }

Unit UnitOf(const FieldDescriptor& field, Unit outer) {
  const std::string_view name = field.name();
  if (name.ends_with(kBytesSuffix)) return Unit::kBytes;
  if (name.ends_with(kMicrosecondsSuffix)) return Unit::kMicroseconds;
  if (name.ends_with(kThousandthsSuffix)) return Unit::kThousandths;
  return field.options().GetExtension(v1::unitless) ? Unit::kNone : outer;
}

std::string NormalName(std::string_view written) {
  std::string name(written);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::vector<std::string> SweepNames(const Descriptor& message) {
  std::vector<std::string> names;
  for (int i = 0; i < message.field_count(); ++i) names.push_back(SweepName(*message.field(i)));
  return names;
}

const FieldDescriptor* FindField(const Descriptor& message, std::string_view written) {
  const std::string name = NormalName(written);
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    if (SweepName(field) == name || (NamesCapture(field) && field.name() == name)) return &field;
  }
  return nullptr;
}

std::string UnknownName(std::string_view what, const Descriptor& message, std::string_view written) {
  const std::string name = WithoutUnit(NormalName(written));
  if (const std::optional<std::string> why = WhyNoOption(message, name)) {
    return absl::StrCat(Shown(written), " ", *why);
  }
  return absl::StrCat(std::string(what), Shown(written), "; ", AllowedNames(name, SweepNames(message)));
}

bool NamesCapture(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_STRING && !field.is_repeated() &&
         std::string_view(field.name()).ends_with(kDigestSuffix);
}

absl::Status ReadMessage(const SourceFile& file, const SourceNode& node, Unit unit, Message& message) {
  return Reader(file).ReadMessage(node, unit, message);
}

absl::Status ReadField(const SourceFile& file, const SourceNode& node, const FieldDescriptor& field, Unit outer,
                       Message& message) {
  return Reader(file).ReadField(node, field, outer, message);
}

}  // namespace dmfrag::client
