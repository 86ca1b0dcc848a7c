#ifndef DMFRAG_CLIENT_SWEEP_SOURCE_NODE_H_
#define DMFRAG_CLIENT_SWEEP_SOURCE_NODE_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/replay/capture_file.h"

namespace dmfrag::client {

// A place in a text. Both count from 1.
struct SourcePlace {
  int line = 1;
  int column = 1;
};

struct SourceEntry;

// What a sweep file says, with the place of everything said. Aliases are already expanded.
struct SourceNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  SourcePlace place;
  // kScalar: its text, without quotes.
  std::string scalar = {};
  // kList.
  std::vector<SourceNode> items = {};
  // kMap, in the file's order; keys are unique. Without an initializer, which would want the complete type.
  std::vector<SourceEntry> entries;
};

// One "key: value".
struct SourceEntry {
  std::string key;
  SourcePlace key_place;
  SourceNode value;
};

// "a scalar", "a list", "a map" or "nothing".
const char* KindName(SourceNode::Kind kind);

// The name under which errors show the file; what it names is relative to its folder. Immutable.
class SourceFile {
 public:
  // `captures` collects the captures that the file names, in order; it must outlive this.
  SourceFile(std::string name, std::vector<CaptureFile>* captures) : name_(std::move(name)), captures_(captures) {}

  // INVALID_ARGUMENT "name:line:column: text", always one line.
  absl::Status Error(SourcePlace place, std::string_view text) const;

  // SHA-256 in hex of the capture that is written at `place`: a file's name, or the digest itself. Errors:
  // INVALID_ARGUMENT with the place if that file is no capture.
  absl::StatusOr<std::string> CaptureDigest(SourcePlace place, const std::string& written) const;

 private:
  std::string name_;
  std::vector<CaptureFile>* captures_;
};

// `text` in double quotes, on one line, control characters escaped, shortened behind 60 bytes: fit for an error.
std::string Shown(std::string_view text);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_SWEEP_SOURCE_NODE_H_
