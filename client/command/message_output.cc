#include "client/command/message_output.h"

#include <google/protobuf/util/json_util.h>

#include "third_party/abseil_extras/check.h"

namespace dmfrag::client {

std::string MessageJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  // Fails for Any of unknown types alone, which we do not use.
  CHECK(google::protobuf::util::MessageToJsonString(message, &json, options).ok());
  return json;
}

}  // namespace dmfrag::client
