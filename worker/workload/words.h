#ifndef DMFRAG_WORKER_WORKLOAD_WORDS_H_
#define DMFRAG_WORKER_WORKLOAD_WORDS_H_

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

namespace dmfrag::workload {

// The words of a text, in order, which any number of `separators` part; views of `text`. Thread-safe.
std::vector<std::string_view> WordsOf(std::string_view text, std::string_view separators = " ");

// The number that the whole text is; of base 16 with or without 0x. nullopt: it is none, or none of that type.
// Thread-safe.
template <typename Number>
std::optional<Number> NumberOf(std::string_view text, int base = 10) {
  if (base == 16 && text.starts_with("0x")) text.remove_prefix(2);
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_WORDS_H_
