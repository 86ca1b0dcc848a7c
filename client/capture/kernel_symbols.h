#ifndef DMFRAG_CLIENT_CAPTURE_KERNEL_SYMBOLS_H_
#define DMFRAG_CLIENT_CAPTURE_KERNEL_SYMBOLS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace dmfrag::client {

// The kernel's symbols, as /proc/kallsyms lists them. Immutable.
class KernelSymbols {
 public:
  KernelSymbols() = default;
  // Lines that are none are passed over.
  explicit KernelSymbols(std::string_view kallsyms);

  bool Has(std::string_view name) const { return addresses_.contains(absl::string_view(name.data(), name.size())); }
  // Absent: no such symbol, or addresses are hidden (kptr_restrict).
  std::optional<uint64_t> AddressOf(std::string_view name) const;
  // Function that holds `address`, without offset; its address in hex if there is none.
  std::string NameAt(uint64_t address) const;
  // Addresses are there, not zeros.
  bool has_addresses() const { return !by_address_.empty(); }

 private:
  absl::flat_hash_map<std::string, uint64_t> addresses_;
  std::vector<std::pair<uint64_t, std::string>> by_address_;  // of code; ascending
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CAPTURE_KERNEL_SYMBOLS_H_
