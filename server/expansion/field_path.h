#ifndef DMFRAG_SERVER_EXPANSION_FIELD_PATH_H_
#define DMFRAG_SERVER_EXPANSION_FIELD_PATH_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace dmfrag::server {

// A field of a message, named by a dotted path of field names that goes through singular messages, e.g. "machine.cpus".
class FieldPath {
 public:
  // Errors: kInvalidArgument naming the part that is no field, or goes through a repeated one.
  static absl::StatusOr<FieldPath> Parse(const google::protobuf::Descriptor& type, const std::string& path);

  bool IsSetIn(const google::protobuf::Message& message) const;
  // Makes `message`'s field equal to `source`'s, absence included.
  void Copy(const google::protobuf::Message& source, google::protobuf::Message& message) const;

 private:
  std::vector<const google::protobuf::FieldDescriptor*> fields_;
};

}  // namespace dmfrag::server

#endif  // DMFRAG_SERVER_EXPANSION_FIELD_PATH_H_
