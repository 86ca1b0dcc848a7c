#ifndef DMFRAG_CLIENT_COMMAND_ENUM_NAME_H_
#define DMFRAG_CLIENT_COMMAND_ENUM_NAME_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/generated_enum_reflection.h>

#include <string>

#include "proto/support/value_name.h"

namespace dmfrag::client {

// A value of one of our enums as people read it: lower case, without its prefix ("active"); a number if it is unknown.
template <typename Enum>
std::string EnumName(Enum value) {
  const google::protobuf::EnumValueDescriptor* descriptor =
      google::protobuf::GetEnumDescriptor<Enum>()->FindValueByNumber(value);
  return descriptor != nullptr ? ValueName(*descriptor) : std::to_string(static_cast<int>(value));
}

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_COMMAND_ENUM_NAME_H_
