#include "client/replay/capture_file.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "proto/recording/reader.h"
#include "third_party/abseil_extras/check.h"

namespace dmfrag::client {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxCaptureBytes = int64_t{4} << 30;
constexpr size_t kReadBytes = 1 << 20;
// Head of an xz file (The .xz File Format 1.2.1, 2.1.1.1).
constexpr std::string_view kXzMagic = std::string_view(
    "\xfd"
    "7zXZ\0",
    6);

// SHA-256, piece by piece.
class Digest {
 public:
  Digest() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }

  void Add(std::span<const char> data) { CHECK(EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1); }

  std::string Hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
    unsigned size = 0;
    CHECK(EVP_DigestFinal_ex(context_.get(), bytes.data(), &size) == 1);
    return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(bytes.data()), size));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

bool LooksLikeCapture(std::string_view head) {
  if (head.starts_with(kXzMagic) || recording::LooksLikeRecording(head)) return true;
  const size_t first = head.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && head[first] == '{';
}

absl::Status Wrong(const fs::path& path, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(path.native(), ": ", std::string(why)));
}

}  // namespace

std::string CaptureFile::display_name() const {
  std::string name = path.filename().native();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return name;
}

absl::StatusOr<CaptureFile> ReadCaptureFile(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return Wrong(path, "is no file; name a capture (.json.xz or .json) or a recording (.dmrec)");
  std::ifstream file(path, std::ios::binary);
  if (!file) return Wrong(path, "cannot be read");
  CaptureFile capture = {.path = path};
  Digest digest;
  std::string buffer(kReadBytes, '\0');
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || file.gcount() > 0) {
    const std::string_view data(buffer.data(), static_cast<size_t>(file.gcount()));
    if (capture.size_bytes == 0 && !LooksLikeCapture(data)) {
      return Wrong(path, "is no capture: neither a recording (.dmrec), nor xz, nor a JSON object");
    }
    capture.size_bytes += static_cast<int64_t>(data.size());
    if (capture.size_bytes > kMaxCaptureBytes) return Wrong(path, "is larger than 4 GiB, the most a capture may have");
    digest.Add(data);
  }
  if (file.bad()) return Wrong(path, "cannot be read to its end");
  if (capture.size_bytes == 0) return Wrong(path, "is empty");
  capture.sha256 = digest.Hex();
  return capture;
}

absl::StatusOr<std::vector<fs::path>> FindCaptureFiles(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> files;
  fs::recursive_directory_iterator entries(folder, error);
  for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename().native();
    std::error_code ignored;
    if ((name.ends_with(".json.xz") || name.ends_with(".json")) && entries->is_regular_file(ignored)) {
      files.push_back(entries->path());
    }
  }
  if (error) return Wrong(folder, absl::StrCat("cannot be listed: ", error.message(), "; name a folder of captures"));
  if (files.empty()) return Wrong(folder, "holds no file that ends in .json.xz or .json");
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace dmfrag::client
