#ifndef DMFRAG_CLIENT_COMMAND_MESSAGE_JSON_H_
#define DMFRAG_CLIENT_COMMAND_MESSAGE_JSON_H_

#include <google/protobuf/message.h>

#include <string>

namespace dmfrag::client {

// A message in protobuf's JSON, with the names of the .proto files and every field without presence; 64-bit integers
// are strings. Ends with a newline.
std::string MessageJson(const google::protobuf::Message& message);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_COMMAND_MESSAGE_JSON_H_
