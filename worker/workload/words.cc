#include "worker/workload/words.h"

#include "absl/strings/str_split.h"

namespace dmfrag::workload {

std::vector<std::string_view> WordsOf(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> words;
  const absl::ByAnyChar delimiter(absl::string_view(separators.data(), separators.size()));
  for (absl::string_view word :
       absl::StrSplit(absl::string_view(text.data(), text.size()), delimiter, absl::SkipEmpty())) {
    words.emplace_back(word.data(), word.size());
  }
  return words;
}

}  // namespace dmfrag::workload
