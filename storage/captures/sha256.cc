#include "storage/captures/sha256.h"

#include <openssl/evp.h>

#include "absl/strings/escaping.h"

namespace dmfrag::storage {
namespace {

absl::Status Failed() { return absl::InternalError("OpenSSL does not compute SHA-256"); }

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

absl::StatusOr<Sha256> Sha256::Create() {
  Sha256 hash(EVP_MD_CTX_new());
  if (hash.context_ == nullptr || EVP_DigestInit_ex(hash.context_.get(), EVP_sha256(), nullptr) != 1) return Failed();
  return hash;
}

absl::Status Sha256::Add(std::string_view bytes) {
  return EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1 ? absl::OkStatus() : Failed();
}

absl::StatusOr<std::string> Sha256::FinishHex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_DigestFinal_ex(context_.get(), digest, &size) != 1) return Failed();
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

}  // namespace dmfrag::storage
