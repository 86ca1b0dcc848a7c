#include "client/capture/kernel_symbols.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"

namespace dmfrag::client {

KernelSymbols::KernelSymbols(std::string_view kallsyms) {
  while (!kallsyms.empty()) {
    const std::string_view line = kallsyms.substr(0, kallsyms.find('\n'));
    kallsyms.remove_prefix(std::min(kallsyms.size(), line.size() + 1));
    // "ffffffff81000000 T _stext" and, of a module, "\t[name]" behind it.
    uint64_t address = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), address, 16);
    const auto digits = static_cast<size_t>(end - line.data());
    if (error != std::errc() || line.size() < digits + 4 || line[digits] != ' ') continue;
    const char type = line[digits + 1];
    const std::string_view rest = line.substr(digits + 3);
    const std::string name(rest.substr(0, rest.find_first_of("\t ")));
    addresses_.emplace(name, address);
    if (address != 0 && (type == 't' || type == 'T' || type == 'w' || type == 'W')) {
      by_address_.emplace_back(address, name);
    }
  }
  std::stable_sort(by_address_.begin(), by_address_.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
}

std::optional<uint64_t> KernelSymbols::AddressOf(std::string_view name) const {
  const auto found = addresses_.find(absl::string_view(name.data(), name.size()));
  if (found == addresses_.end() || found->second == 0) return std::nullopt;
  return found->second;
}

std::string KernelSymbols::NameAt(uint64_t address) const {
  const auto after = std::upper_bound(by_address_.begin(), by_address_.end(), address,
                                      [](uint64_t value, const auto& entry) { return value < entry.first; });
  if (after == by_address_.begin()) return absl::StrCat("0x", absl::Hex(address));
  return std::prev(after)->second;
}

}  // namespace dmfrag::client
