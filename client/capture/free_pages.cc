#include "client/capture/free_pages.h"

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace dmfrag::client {

std::optional<int64_t> FreePages(std::string_view zoneinfo) {
  std::optional<int64_t> pages;
  for (const absl::string_view line : absl::StrSplit(absl::string_view(zoneinfo.data(), zoneinfo.size()), '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    int64_t count = 0;
    if (words.size() != 2 || (words[0] != "nr_free_pages" && words[0] != "count:")) continue;
    if (absl::SimpleAtoi(words[1], &count)) pages = pages.value_or(0) + count;
  }
  return pages;
}

}  // namespace dmfrag::client
