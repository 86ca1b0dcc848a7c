#ifndef DMFRAG_CLIENT_SWEEP_MESSAGE_READER_H_
#define DMFRAG_CLIENT_SWEEP_MESSAGE_READER_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "client/sweep/quantity.h"
#include "client/sweep/source_node.h"

namespace dmfrag::client {

// Fills protobuf messages from what a sweep file says, by reflection: a new field needs no code here.
//
// Names: a field's own, without the suffix that says its unit (`memory` for memory_bytes); '-' is taken for '_'.
// Integers: sizes where the nearest enclosing field named *_bytes or *_us says so, durations likewise, else plain;
// fields named *_thousandths are decimal numbers, and those marked `unitless` plain. A list of messages of a text and a
// number may be a map from the one to the other. Enums: the value's name without its prefix, in any case, '.' and '-'
// for '_' ("6.12"). A scalar for a message with a oneof: the oneof's member message of that name, with its defaults;
// else its string member. A field named *_sha256 takes a capture's file (or its digest). What a cache type
// refuses (cache.proto) is refused with its reason.

// Name of a field in sweep files, and the unit its suffix says; `outer` if it has none.
std::string SweepName(const google::protobuf::FieldDescriptor& field);
Unit UnitOf(const google::protobuf::FieldDescriptor& field, Unit outer);

// `memory` for memory_bytes, `duration` for duration_us, `boot_snapshot` for boot_snapshot_sha256.
std::string WithoutUnit(std::string_view name);

// '-' -> '_'.
std::string NormalName(std::string_view written);

// Names of a message's fields, in order of their declaration.
std::vector<std::string> SweepNames(const google::protobuf::Descriptor& message);

// The field of `message` that `written` names; null if there is none. One that names a capture may also
// be written in full.
const google::protobuf::FieldDescriptor* FindField(const google::protobuf::Descriptor& message,
                                                   std::string_view written);

// The field names a capture: its value is a SHA-256, and a sweep file writes the file.
bool NamesCapture(const google::protobuf::FieldDescriptor& field);

// What is said of a name that is no field of `message`: why a cache type has no such option, or `what` ("unknown key
// "), the name and those that are allowed.
std::string UnknownName(std::string_view what, const google::protobuf::Descriptor& message, std::string_view written);

// Fills `message` from a map, or from a scalar if it has a oneof. Errors: INVALID_ARGUMENT with the place.
absl::Status ReadMessage(const SourceFile& file, const SourceNode& node, Unit unit, google::protobuf::Message& message);

// Sets one field of `message`. Errors: INVALID_ARGUMENT with the place.
absl::Status ReadField(const SourceFile& file, const SourceNode& node, const google::protobuf::FieldDescriptor& field,
                       Unit outer, google::protobuf::Message& message);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_SWEEP_MESSAGE_READER_H_
