#ifndef DMFRAG_CLIENT_SWEEP_SOURCE_NODE_H_
#define DMFRAG_CLIENT_SWEEP_SOURCE_NODE_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

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
  // kMap, in the file's order; keys are unique.
  std::vector<SourceEntry> entries = {};
};

// One "key: value".
struct SourceEntry {
  std::string key;
  SourcePlace key_place;
  SourceNode value;
};

// "a scalar", "a list", "a map" or "nothing".
const char* KindName(SourceNode::Kind kind);

// The name under which errors show the file. Immutable.
class SourceFile {
 public:
  explicit SourceFile(std::string name) : name_(std::move(name)) {}

  // INVALID_ARGUMENT "name:line:column: text", always one line.
  absl::Status Error(SourcePlace place, std::string_view text) const;

 private:
  std::string name_;
};

// `text` in double quotes, on one line, control characters escaped, shortened behind 60 bytes: fit for an error.
std::string Shown(std::string_view text);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_SWEEP_SOURCE_NODE_H_
