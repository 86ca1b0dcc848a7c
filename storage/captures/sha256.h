#ifndef DMFRAG_STORAGE_CAPTURES_SHA256_H_
#define DMFRAG_STORAGE_CAPTURES_SHA256_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

struct evp_md_ctx_st;

namespace dmfrag::storage {

// SHA-256 of bytes given in parts (OpenSSL). Used on one thread.
class Sha256 {
 public:
  // Errors: kInternal if the library offers no SHA-256.
  static absl::StatusOr<Sha256> Create();

  absl::Status Add(std::string_view bytes);
  // Lower-case hex of all that was added. Called once, last.
  absl::StatusOr<std::string> FinishHex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  explicit Sha256(evp_md_ctx_st* context) : context_(context) {}

  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_CAPTURES_SHA256_H_
