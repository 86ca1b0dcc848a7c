#ifndef DMFRAG_PROTO_SUPPORT_VALUE_NAME_H_
#define DMFRAG_PROTO_SUPPORT_VALUE_NAME_H_

#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/descriptor.h"

namespace dmfrag {

// "KERNEL_RELEASE_" of enum KernelRelease: what its zero value has before UNSPECIFIED.
std::string_view ValuePrefix(const google::protobuf::EnumDescriptor& type);

// Name of an enum value in sweep files and messages: lower case, without its prefix, and '.' between digits ("6.12").
std::string ValueName(const google::protobuf::EnumValueDescriptor& value);

// Names of the values of an enum but its zero value, in order of their declaration.
std::vector<std::string> ValueNames(const google::protobuf::EnumDescriptor& type);

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_VALUE_NAME_H_
