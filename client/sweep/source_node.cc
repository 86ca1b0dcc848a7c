#include "client/sweep/source_node.h"

#include <filesystem>

#include "absl/strings/str_cat.h"

namespace dmfrag::client {
namespace {

constexpr size_t kShownBytes = 60;
// Of a SHA-256.
constexpr size_t kDigestDigits = 64;
constexpr char kHexDigits[] = "0123456789abcdef";

// Control characters as \xNN; UTF-8 stays.
std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '\n') {
      escaped += "\\n";
    } else if (byte == '\t') {
      escaped += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      escaped += {'\\', 'x', kHexDigits[byte >> 4], kHexDigits[byte & 15]};
    } else {
      escaped += c;
    }
  }
  return escaped;
}

}  // namespace

const char* KindName(SourceNode::Kind kind) {
  switch (kind) {
    case SourceNode::Kind::kNull:
      return "nothing";
    case SourceNode::Kind::kScalar:
      return "a scalar";
    case SourceNode::Kind::kList:
      return "a list";
    case SourceNode::Kind::kMap:
      return "a map";
  }
  return "nothing";
}

absl::Status SourceFile::Error(SourcePlace place, std::string_view text) const {
  return absl::InvalidArgumentError(
      absl::StrCat(Escaped(name_), ":", place.line, ":", place.column, ": ", Escaped(text)));
}

absl::StatusOr<std::string> SourceFile::CaptureDigest(SourcePlace place, const std::string& written) const {
  const bool is_digest = written.size() == kDigestDigits && written.find_first_not_of(kHexDigits) == std::string::npos;
  if (is_digest) return written;
  absl::StatusOr<CaptureFile> capture = ReadCaptureFile(std::filesystem::path(name_).parent_path() / written);
  if (!capture.ok()) return Error(place, std::string(capture.status().message()));
  captures_->push_back(*capture);
  return capture->sha256;
}

std::string Shown(std::string_view text) {
  if (text.size() <= kShownBytes) return "\"" + Escaped(text) + "\"";
  size_t end = kShownBytes;
  // Not in the middle of a UTF-8 sequence.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return "\"" + Escaped(text.substr(0, end)) + "…\"";
}

}  // namespace dmfrag::client
