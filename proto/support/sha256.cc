#include "proto/support/sha256.h"

#include <openssl/evp.h>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/check.h"

namespace dmfrag {

std::string Sha256(std::string_view data) {
  std::string digest(32, '\0');
  unsigned int size = 0;
  CHECK(EVP_Digest(data.data(), data.size(), reinterpret_cast<unsigned char*>(digest.data()), &size, EVP_sha256(),
                   nullptr) == 1);
  CHECK(size == digest.size());
  return digest;
}

std::string ToHex(std::string_view raw) { return absl::BytesToHexString({raw.data(), raw.size()}); }

absl::StatusOr<std::string> Sha256FromHex(std::string_view hex) {
  const bool digits = hex.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (hex.size() != 64 || !digits) {
    return absl::InvalidArgumentError("a SHA-256 is 64 lower-case hex digits");
  }
  return absl::HexStringToBytes({hex.data(), hex.size()});
}

}  // namespace dmfrag
