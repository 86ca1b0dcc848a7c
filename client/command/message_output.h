#ifndef DMFRAG_CLIENT_COMMAND_MESSAGE_JSON_H_
#define DMFRAG_CLIENT_COMMAND_MESSAGE_JSON_H_

#include <google/protobuf/message.h>

#include <ostream>
#include <string>

#include "client/command/command.h"

namespace dmfrag::client {

// A message in protobuf's JSON, with the names of the .proto files and every field without presence; 64-bit integers
// are strings. Ends with a newline.
std::string MessageJson(const google::protobuf::Message& message);

// Prints a response in the format that was asked for: as JSON, or through one of two functions of (response, out).
template <typename Response, typename PrintTable, typename PrintCsv>
void PrintResponse(const Response& response, OutputFormat output, std::ostream& out, PrintTable table, PrintCsv csv) {
  switch (output) {
    case OutputFormat::kTable:
      return table(response, out);
    case OutputFormat::kJson:
      out << MessageJson(response);
      return;
    case OutputFormat::kCsv:
      return csv(response, out);
  }
}

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_COMMAND_MESSAGE_JSON_H_
