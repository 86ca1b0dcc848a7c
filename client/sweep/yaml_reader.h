#ifndef DMFRAG_CLIENT_SWEEP_YAML_READER_H_
#define DMFRAG_CLIENT_SWEEP_YAML_READER_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/sweep/source_node.h"

namespace dmfrag::client {

// Largest sweep file: what Experiment.source_text may hold.
inline constexpr size_t kMaxSweepFileBytes = 1 << 20;
// Deepest nesting of maps and lists.
inline constexpr int kMaxSweepDepth = 50;
// Most scalars, lists and maps, aliases expanded.
inline constexpr int kMaxSweepNodes = 500'000;

// Refuses what cannot be a text file: more than kMaxSweepFileBytes, control characters, bytes that are not UTF-8.
absl::Status CheckIsText(std::string_view text, const SourceFile& file);

// Reads one YAML document (JSON is YAML). Errors: INVALID_ARGUMENT with the place, for everything yaml-cpp refuses and
// for what it lets pass: duplicate keys, several documents, tags, keys that are no scalars, the limits above.
absl::StatusOr<SourceNode> ReadYaml(std::string_view text, const SourceFile& file);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_SWEEP_YAML_READER_H_
