#ifndef DMFRAG_PROTO_RECORDING_SECTION_H_
#define DMFRAG_PROTO_RECORDING_SECTION_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dmfrag::recording {

// A part of a recording file: one byte of type; bytes of content and of compressed content, and XXH64 of the latter,
// each a little-endian integer of 8 bytes; the compressed content (a zstd frame).
enum class SectionType : char { kStart = 'S', kTables = 'T', kEvents = 'E', kEnd = 'Z' };

// Most bytes of one section's content: bounds the memory that reading a damaged or hostile file takes.
inline constexpr size_t kMaxSectionBytes = size_t{256} << 20;

struct Section {
  SectionType type = SectionType::kStart;
  size_t content_bytes = 0;
  std::string_view compressed;
};

// The bytes of a section of `content`. REQUIRES: it has at most kMaxSectionBytes. Thread-safe.
std::string PackSection(SectionType type, std::string_view content);

// Takes the section in front off `bytes`, checked against its digest; nullopt if there is none whole, as at the end of
// a file that was cut off; `bytes` stays then. Errors: kInvalidArgument if it is whole and damaged. Thread-safe.
absl::StatusOr<std::optional<Section>> TakeSection(std::string_view& bytes);

// Its content, in place of what `content` held. Errors: kInvalidArgument if it cannot be decompressed. Thread-safe.
absl::Status Unpack(const Section& section, std::string& content);

}  // namespace dmfrag::recording

#endif  // DMFRAG_PROTO_RECORDING_SECTION_H_
