#include "server/service/page_token.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "proto/support/sha256.h"

namespace dmfrag::server {
namespace {

constexpr int64_t kMaxPageSize = 1000;

std::string Checksum(const std::string& arguments, const std::string& position) {
  return ToHex(Sha256(absl::StrCat("dmfrag.page_token\n", arguments, "\n", position)).substr(0, 8));
}

}  // namespace

std::string MakePageToken(const std::string& arguments, const std::vector<int64_t>& position) {
  const std::string text = absl::StrJoin(position, ",");
  return absl::WebSafeBase64Escape(absl::StrCat(text, ":", Checksum(arguments, text)));
}

absl::StatusOr<std::vector<int64_t>> ParsePageToken(const std::string& token, const std::string& arguments,
                                                    size_t size) {
  const absl::Status wrong =
      absl::InvalidArgumentError("page_token: is none of this server for these arguments; start from the first page");
  std::string text;
  if (!absl::WebSafeBase64Unescape(token, &text)) return wrong;
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  if (parts.second != Checksum(arguments, parts.first)) return wrong;
  std::vector<int64_t> position;
  for (const absl::string_view number : absl::StrSplit(parts.first, ',')) {
    if (!absl::SimpleAtoi(number, &position.emplace_back())) return wrong;
  }
  if (position.size() != size) return wrong;
  return position;
}

absl::StatusOr<int64_t> PageSize(int32_t asked, int32_t usual) {
  if (asked < 0) return absl::InvalidArgumentError("page_size: must not be negative");
  return asked == 0 ? usual : std::min<int64_t>(asked, kMaxPageSize);
}

}  // namespace dmfrag::server
