#include "proto/support/canonical.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "dmfrag/v1/annotations.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "proto/support/preset.h"
#include "proto/support/resolve_mix.h"
#include "proto/support/sha256.h"
#include "proto/support/spec_limits.h"
#include "third_party/abseil_extras/check.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string Join(const std::string& path, const FieldDescriptor& field) {
  return path.empty() ? field.name() : absl::StrCat(path, ".", field.name());
}

bool HasDefault(const FieldDescriptor& field) { return field.options().HasExtension(v1::frozen_default); }

bool IsSingularMessage(const FieldDescriptor& field) {
  return !field.is_repeated() && field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
}

// Sets `field` of `message` to its frozen default. The text is ours: that it parses is checked by a test over all
// fields.
void SetToDefault(const FieldDescriptor& field, Message& message) {
  const std::string& text = field.options().GetExtension(v1::frozen_default);
  const std::string wrapped =
      IsSingularMessage(field) ? absl::StrCat(field.name(), " { ", text, " }") : absl::StrCat(field.name(), ": ", text);
  CHECK(google::protobuf::TextFormat::MergeFromString(wrapped, &message));
}

// Whether `message`'s own `field` equals its frozen default.
bool EqualsDefault(const FieldDescriptor& field, const Message& message) {
  std::unique_ptr<Message> other(message.New());
  SetToDefault(field, *other);
  google::protobuf::util::MessageDifferencer differencer;
  std::string unused;
  return differencer.CompareWithFields(message, *other, {&field}, {&field});
}

absl::Status CheckKnownValue(const FieldDescriptor& field, const Message& message, const std::string& path) {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM || field.is_repeated()) return absl::OkStatus();
  const int number = message.GetReflection()->GetEnumValue(message, &field);
  if (field.enum_type()->FindValueByNumber(number) != nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": unknown value ", number, "; update the server and the workers"));
}

absl::Status ClearDefaults(Message& message, const std::string& path) {
  const Reflection& reflection = *message.GetReflection();
  if (!reflection.GetUnknownFields(message).empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.empty() ? "the spec" : path,
                     ": has a field this version does not know; update the server and the workers"));
  }
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string field_path = Join(path, *field);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && field->is_repeated()) {
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        RETURN_IF_ERROR(ClearDefaults(*reflection.MutableRepeatedMessage(&message, field, i),
                                      absl::StrCat(field_path, "[", i, "]")));
      }
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Message& child = *reflection.MutableMessage(&message, field);
      RETURN_IF_ERROR(ClearDefaults(child, field_path));
      std::vector<const FieldDescriptor*> left;
      child.GetReflection()->ListFields(child, &left);
      const bool may_vanish = field->real_containing_oneof() == nullptr && !HasDefault(*field);
      if (may_vanish && left.empty()) {
        reflection.ClearField(&message, field);
        continue;
      }
    }
    if (HasDefault(*field) && EqualsDefault(*field, message)) {
      reflection.ClearField(&message, field);
      continue;
    }
    RETURN_IF_ERROR(CheckKnownValue(*field, message, field_path));
  }
  return absl::OkStatus();
}

void FillDefaults(Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    if (field->is_repeated()) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      for (int k = 0; k < reflection.FieldSize(message, field); ++k) {
        FillDefaults(*reflection.MutableRepeatedMessage(&message, field, k));
      }
      continue;
    }
    if (HasDefault(*field) && !reflection.HasField(message, field)) SetToDefault(*field, message);
    if (!IsSingularMessage(*field)) continue;
    const bool member_not_chosen = field->real_containing_oneof() != nullptr && !reflection.HasField(message, field);
    if (!member_not_chosen) FillDefaults(*reflection.MutableMessage(&message, field));
  }
}

void AppendVarint(uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

uint64_t ZigZag(int64_t value) { return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63); }

void AppendSized(const std::string& bytes, std::string& out) {
  AppendVarint(bytes.size(), out);
  out += bytes;
}

// Appends element `index` of a repeated field, or the singular field if `index` is -1.
void AppendValue(const Message& message, const FieldDescriptor& field, int index, std::string& out) {
  const Reflection& r = *message.GetReflection();
  const bool one = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return AppendVarint(one ? r.GetBool(message, &field) : r.GetRepeatedBool(message, &field, index), out);
    case FieldDescriptor::CPPTYPE_UINT32:
      return AppendVarint(one ? r.GetUInt32(message, &field) : r.GetRepeatedUInt32(message, &field, index), out);
    case FieldDescriptor::CPPTYPE_UINT64:
      return AppendVarint(one ? r.GetUInt64(message, &field) : r.GetRepeatedUInt64(message, &field, index), out);
    case FieldDescriptor::CPPTYPE_INT32:
      return AppendVarint(ZigZag(one ? r.GetInt32(message, &field) : r.GetRepeatedInt32(message, &field, index)), out);
    case FieldDescriptor::CPPTYPE_INT64:
      return AppendVarint(ZigZag(one ? r.GetInt64(message, &field) : r.GetRepeatedInt64(message, &field, index)), out);
    case FieldDescriptor::CPPTYPE_ENUM:
      return AppendVarint(
          static_cast<uint64_t>(one ? r.GetEnumValue(message, &field) : r.GetRepeatedEnumValue(message, &field, index)),
          out);
    case FieldDescriptor::CPPTYPE_STRING:
      return AppendSized(one ? r.GetString(message, &field) : r.GetRepeatedString(message, &field, index), out);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return AppendSized(
          CanonicalBytes(one ? r.GetMessage(message, &field) : r.GetRepeatedMessage(message, &field, index)), out);
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      CHECK(false);  // proto/lint_test.cc refuses such a field
  }
}

// Inlines a preset, and works in what a mix inherits. `Source` has a preset and a mix.
template <typename Source>
absl::Status MakeWhole(const std::string& place, Source& source) {
  if (source.has_preset()) {
    ASSIGN_OR_RETURN(*source.mutable_mix(), PresetMix(std::string(source.preset()), place + ".preset"));
  }
  if (source.has_mix()) {
    ASSIGN_OR_RETURN(*source.mutable_mix(), ResolveMix(v1::Mix(source.mix()), place + ".mix"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::JobSpec> Canonicalize(const v1::JobSpec& spec) {
  v1::JobSpec canonical = spec;
  RETURN_IF_ERROR(MakeWhole("workload", *canonical.mutable_workload()));
  if (canonical.workload().recording().has_beside()) {
    v1::Mix& beside = *canonical.mutable_workload()->mutable_recording()->mutable_beside();
    ASSIGN_OR_RETURN(beside, ResolveMix(v1::Mix(beside), "workload.recording.beside"));
  }
  if (canonical.has_ageing()) RETURN_IF_ERROR(MakeWhole("ageing", *canonical.mutable_ageing()));
  RETURN_IF_ERROR(CheckLimits(canonical));
  RETURN_IF_ERROR(CheckNumaNodes(WithDefaults(canonical).machine()));
  // A run is as long as its recording.
  if (canonical.workload().has_recording()) canonical.mutable_length()->clear_duration_us();
  RETURN_IF_ERROR(ClearDefaults(canonical, ""));
  if (canonical.ageing().duration_us() == 0) canonical.clear_ageing();
  return canonical;
}

v1::JobSpec WithSeed(v1::JobSpec canonical, uint64_t seed) {
  static const uint64_t default_seed = WithDefaults(v1::JobSpec()).seed();
  canonical.set_seed(seed);
  if (seed == default_seed) canonical.clear_seed();
  return canonical;
}

v1::JobSpec WithDefaults(const v1::JobSpec& spec) {
  v1::JobSpec filled = spec;
  FillDefaults(filled);
  if (!filled.machine().e820().empty()) filled.mutable_machine()->clear_memory_bytes();
  if (const std::string snapshot = filled.machine().boot_snapshot_sha256(); !snapshot.empty()) {
    // The capture says what the other fields would.
    filled.mutable_machine()->Clear();
    filled.mutable_machine()->set_boot_snapshot_sha256(snapshot);
  }
  if (filled.workload().has_replay() && !filled.workload().replay().trace_sha256().empty()) {
    filled.mutable_workload()->mutable_replay()->clear_frames();
  }
  return filled;
}

std::string CanonicalBytes(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);  // ascending by number
  std::string out;
  for (const FieldDescriptor* field : fields) {
    AppendVarint(static_cast<uint64_t>(field->number()), out);
    if (!field->is_repeated()) {
      AppendValue(message, *field, -1, out);
      continue;
    }
    const int size = message.GetReflection()->FieldSize(message, field);
    AppendVarint(static_cast<uint64_t>(size), out);
    for (int i = 0; i < size; ++i) AppendValue(message, *field, i, out);
  }
  return out;
}

std::string CanonicalSha256(const Message& message) {
  return Sha256(absl::StrCat(message.GetDescriptor()->full_name(), "\n", CanonicalBytes(message)));
}

std::string SpecSha256Hex(const v1::JobSpec& canonical) { return ToHex(CanonicalSha256(canonical)); }

std::string ResultSha256Hex(const v1::JobResult& result) { return ToHex(CanonicalSha256(result)); }

}  // namespace dmfrag
