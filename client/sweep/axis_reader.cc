#include "client/sweep/axis_reader.h"

#include <google/protobuf/util/message_differencer.h>

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/sweep/axis_label.h"
#include "client/sweep/message_reader.h"
#include "proto/support/spelling.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// From JobSpec to a field.
using FieldPath = std::vector<const FieldDescriptor*>;

// Messages whose fields an axis may name without the message.
std::vector<const FieldDescriptor*> PlainMessages() {
  std::vector<const FieldDescriptor*> messages;
  const Descriptor& spec = *v1::JobSpec::descriptor();
  for (int i = 0; i < spec.field_count(); ++i) {
    const Descriptor* type = spec.field(i)->message_type();
    if (type != nullptr && type->real_oneof_decl_count() == 0) messages.push_back(spec.field(i));
  }
  return messages;
}

// `memory` for `machine.memory`; empty if no message or several have such a field.
FieldPath FindAlias(std::string_view name) {
  FieldPath found;
  for (const FieldDescriptor* message : PlainMessages()) {
    const FieldDescriptor* field = FindField(*message->message_type(), name);
    if (field == nullptr) continue;
    if (!found.empty()) return {};
    found = {message, field};
  }
  return found;
}

// Every name an axis path may be: fields of JobSpec, and aliases.
std::vector<std::string> FirstNames() {
  std::vector<std::string> names = SweepNames(*v1::JobSpec::descriptor());
  for (const FieldDescriptor* message : PlainMessages()) {
    for (const std::string& name : SweepNames(*message->message_type())) {
      if (!FindAlias(name).empty()) names.push_back(name);
    }
  }
  return names;
}

absl::StatusOr<FieldPath> ParsePath(const SourceFile& file, const SourceEntry& axis) {
  const std::vector<std::string> segments = absl::StrSplit(axis.key, '.');
  const Descriptor* type = v1::JobSpec::descriptor();
  if (segments.size() == 1 && FindField(*type, segments[0]) == nullptr) {
    FieldPath alias = FindAlias(segments[0]);
    if (alias.empty()) {
      return file.Error(axis.key_place, absl::StrCat("unknown axis ", Shown(axis.key), "; ",
                                                     AllowedNames(WithoutUnit(NormalName(axis.key)), FirstNames())));
    }
    return alias;
  }
  FieldPath path;
  for (const std::string& segment : segments) {
    if (type == nullptr || (!path.empty() && path.back()->is_repeated())) {
      return file.Error(axis.key_place,
                        absl::StrCat("axis ", Shown(axis.key), ": ", SweepName(*path.back()), " has nothing named ",
                                     Shown(segment), " inside; end the path there"));
    }
    const FieldDescriptor* field = FindField(*type, segment);
    if (field == nullptr) {
      return file.Error(axis.key_place,
                        absl::StrCat("axis ", Shown(axis.key), ": ", UnknownName("unknown name ", *type, segment)));
    }
    path.push_back(field);
    type = field->message_type();
  }
  return path;
}

// "machine.memory_bytes", as the protocol wants it.
std::string ProtoPath(const FieldPath& path) {
  return absl::StrJoin(path, ".", [](std::string* out, const FieldDescriptor* field) { out->append(field->name()); });
}

absl::Status CheckDisjoint(const SourceFile& file, const SourceEntry& axis, const std::string& path,
                           const v1::Experiment& experiment) {
  for (const v1::Axis& other : experiment.axes()) {
    if (other.path() == path) {
      return file.Error(
          axis.key_place,
          absl::StrCat("axis ", Shown(axis.key), " names the same field as an earlier axis (", path, "); leave one"));
    }
    if (path.starts_with(other.path() + ".") || other.path().starts_with(path + ".")) {
      return file.Error(axis.key_place, absl::StrCat("axis ", Shown(axis.key), " and axis ", other.path(),
                                                     " overlap: one lies inside the other; leave one"));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadValue(const SourceFile& file, const SourceNode& node, const FieldPath& path, v1::AxisValue& value) {
  Message* message = value.mutable_spec();
  Unit unit = Unit::kNone;
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    unit = UnitOf(*path[i], unit);
    message = message->GetReflection()->MutableMessage(message, path[i]);
  }
  RETURN_IF_ERROR(ReadField(file, node, *path.back(), unit, *message));
  // A digest says nothing to people, the file's name does.
  value.set_label(NamesCapture(*path.back()) ? std::filesystem::path(node.scalar).filename().native()
                                             : AxisLabel(value.spec(), path));
  return absl::OkStatus();
}

absl::Status CheckNoValueTwice(const SourceFile& file, const SourceNode& list, const v1::Axis& axis) {
  std::set<std::string> seen;
  for (int i = 0; i < axis.values_size(); ++i) {
    if (seen.insert(axis.values(i).spec().SerializeAsString()).second) continue;
    return file.Error(list.items[i].place,
                      absl::StrCat("value ", Shown(axis.values(i).label()), " is in this axis twice; leave one"));
  }
  return absl::OkStatus();
}

absl::Status ReadAxis(const SourceFile& file, const SourceEntry& entry, v1::Experiment& experiment) {
  absl::StatusOr<FieldPath> path = ParsePath(file, entry);
  if (!path.ok()) return path.status();
  const std::string proto_path = ProtoPath(*path);
  RETURN_IF_ERROR(CheckDisjoint(file, entry, proto_path, experiment));
  const SourceNode& list = entry.value;
  if (list.kind != SourceNode::Kind::kList) {
    return file.Error(list.place, absl::StrCat("axis ", Shown(entry.key), " is ", KindName(list.kind),
                                               "; write the list of its values, e.g. [a, b]"));
  }
  if (list.items.empty()) {
    return file.Error(list.place, absl::StrCat("axis ", Shown(entry.key),
                                               " has no value; write at least one, or leave "
                                               "the axis out"));
  }
  if (list.items.size() > kMaxAxisValues) {
    return file.Error(list.place, absl::StrCat("axis ", Shown(entry.key), " has ", list.items.size(),
                                               " values; at most ", kMaxAxisValues));
  }
  v1::Axis& axis = *experiment.add_axes();
  axis.set_path(proto_path);
  for (const SourceNode& item : list.items) RETURN_IF_ERROR(ReadValue(file, item, *path, *axis.add_values()));
  RETURN_IF_ERROR(CheckNoValueTwice(file, list, axis));
  MakeLabelsUnique(axis);
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadAxes(const SourceFile& file, const SourceNode& node, v1::Experiment& experiment) {
  if (node.kind != SourceNode::Kind::kMap) {
    return file.Error(node.place, absl::StrCat("axes is ", KindName(node.kind),
                                               "; write a map of lists, e.g. {cache: [none, global]}"));
  }
  if (node.entries.size() > kMaxAxes) {
    return file.Error(node.entries[kMaxAxes].key_place,
                      absl::StrCat("the sweep has ", node.entries.size(), " axes; at most ", kMaxAxes));
  }
  for (const SourceEntry& entry : node.entries) RETURN_IF_ERROR(ReadAxis(file, entry, experiment));
  return absl::OkStatus();
}

}  // namespace dmfrag::client
