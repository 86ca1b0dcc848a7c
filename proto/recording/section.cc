#include "proto/recording/section.h"

#include <xxhash.h>
#include <zstd.h>

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace dmfrag::recording {
namespace {

// zstd's own default is 3; 1 is a third faster to write and some per cent larger, and a capture is written while the
// machine is at work.
constexpr int kCompressionLevel = 1;
constexpr size_t kIntegerBytes = 8;
constexpr size_t kHeadBytes = 1 + 3 * kIntegerBytes;

void AppendInteger(uint64_t value, std::string& out) {
  for (size_t i = 0; i < kIntegerBytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

uint64_t IntegerAt(std::string_view bytes, size_t at) {
  uint64_t value = 0;
  for (size_t i = 0; i < kIntegerBytes; ++i) value |= uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return value;
}

bool IsType(char type) {
  const auto known = static_cast<SectionType>(type);
  return known == SectionType::kStart || known == SectionType::kTables || known == SectionType::kEvents ||
         known == SectionType::kEnd;
}

absl::Status Damaged(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(what), "; the file is damaged: take it again"));
}

}  // namespace

std::string PackSection(SectionType type, std::string_view content) {
  std::string compressed(ZSTD_compressBound(content.size()), '\0');
  compressed.resize(
      ZSTD_compress(compressed.data(), compressed.size(), content.data(), content.size(), kCompressionLevel));
  std::string section(1, static_cast<char>(type));
  section.reserve(kHeadBytes + compressed.size());
  AppendInteger(content.size(), section);
  AppendInteger(compressed.size(), section);
  AppendInteger(XXH64(compressed.data(), compressed.size(), /*seed=*/0), section);
  section.append(compressed);
  return section;
}

absl::StatusOr<std::optional<Section>> TakeSection(std::string_view& bytes) {
  if (!bytes.empty() && !IsType(bytes.front())) return Damaged("a section of unknown type");
  if (bytes.size() < kHeadBytes) return std::nullopt;
  const uint64_t content_bytes = IntegerAt(bytes, 1);
  const uint64_t compressed_bytes = IntegerAt(bytes, 1 + kIntegerBytes);
  if (content_bytes > kMaxSectionBytes || compressed_bytes > ZSTD_compressBound(kMaxSectionBytes)) {
    return Damaged("a section of more than 256 MiB");
  }
  if (bytes.size() - kHeadBytes < compressed_bytes) return std::nullopt;
  const Section section = {.type = static_cast<SectionType>(bytes.front()),
                           .content_bytes = content_bytes,
                           .compressed = bytes.substr(kHeadBytes, compressed_bytes)};
  const uint64_t digest = IntegerAt(bytes, 1 + 2 * kIntegerBytes);
  if (XXH64(section.compressed.data(), section.compressed.size(), /*seed=*/0) != digest) {
    return Damaged("a section whose content has another digest");
  }
  bytes.remove_prefix(kHeadBytes + compressed_bytes);
  return section;
}

absl::Status Unpack(const Section& section, std::string& content) {
  content.resize(section.content_bytes);
  const size_t size =
      ZSTD_decompress(content.data(), content.size(), section.compressed.data(), section.compressed.size());
  if (ZSTD_isError(size) != 0 || size != section.content_bytes)
    return Damaged("a section that is not compressed right");
  return absl::OkStatus();
}

}  // namespace dmfrag::recording
