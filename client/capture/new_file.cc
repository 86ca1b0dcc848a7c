#include "client/capture/new_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace dmfrag::client {
namespace {

absl::Status Exists(const std::filesystem::path& path) {
  return absl::AlreadyExistsError(absl::StrCat(path.string(), " exists; name another file, or add --force"));
}

std::filesystem::path TemporaryName(const std::filesystem::path& path) {
  return absl::StrCat(path.string(), ".", getpid(), ".part");
}

}  // namespace

NewFile::NewFile(std::filesystem::path path, bool force, int file)
    : path_(std::move(path)), temporary_(TemporaryName(path_)), force_(force), file_(file) {}

NewFile::~NewFile() {
  close(file_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

absl::StatusOr<std::unique_ptr<NewFile>> NewFile::Create(const std::filesystem::path& path, bool force) {
  std::error_code ignored;
  if (!force && std::filesystem::exists(path, ignored)) return Exists(path);
  const int file = open(TemporaryName(path).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) {
    return absl::InvalidArgumentError(absl::StrCat(path.string(), " cannot be written: ", std::strerror(errno)));
  }
  return absl::WrapUnique(new NewFile(path, force, file));
}

absl::Status NewFile::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      return absl::UnavailableError(absl::StrCat(path_.string(), " cannot be written: ", std::strerror(errno)));
    }
    bytes_ += written;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status NewFile::Keep() {
  // Without --force a link, which fails if somebody made such a file meanwhile.
  const bool kept = fsync(file_) == 0 && (force_ ? rename(temporary_.c_str(), path_.c_str()) == 0
                                                 : link(temporary_.c_str(), path_.c_str()) == 0);
  if (!kept && errno == EEXIST) return Exists(path_);
  if (!kept) return absl::UnavailableError(absl::StrCat(path_.string(), " cannot be kept: ", std::strerror(errno)));
  if (!force_) unlink(temporary_.c_str());
  temporary_.clear();
  return absl::OkStatus();
}

}  // namespace dmfrag::client
