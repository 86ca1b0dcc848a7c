#include "storage/captures/descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace dmfrag::storage {

absl::StatusOr<Descriptor> Descriptor::Open(const std::string& path, int flags) {
  int number = -1;
  do {
    number = open(path.c_str(), flags | O_CLOEXEC, 0600);
  } while (number < 0 && errno == EINTR);
  if (number < 0) return absl::ErrnoToStatus(errno, absl::StrCat("opening ", path));
  return Descriptor(number, path);
}

Descriptor::Descriptor(Descriptor&& other) noexcept : number_(other.number_), path_(std::move(other.path_)) {
  other.number_ = -1;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) close(number_);
}

absl::Status Descriptor::Failure(int error, const char* doing) const {
  return absl::ErrnoToStatus(error, absl::StrCat(doing, " ", path_));
}

absl::StatusOr<int64_t> Descriptor::Size() const {
  struct stat info;
  if (fstat(number_, &info) != 0) return Failure(errno, "examining");
  return info.st_size;
}

absl::Status Descriptor::WriteAt(int64_t offset, std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = pwrite(number_, data.data(), data.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failure(errno, "writing");
    data.remove_prefix(static_cast<size_t>(written));
    offset += written;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Descriptor::ReadAt(int64_t offset, size_t count) const {
  std::string data(count, '\0');
  size_t filled = 0;
  while (filled < count) {
    const ssize_t got = pread(number_, data.data() + filled, count - filled, offset + static_cast<int64_t>(filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failure(errno, "reading");
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  data.resize(filled);
  return data;
}

absl::Status Descriptor::Truncate(int64_t size) {
  return ftruncate(number_, size) == 0 ? absl::OkStatus() : Failure(errno, "cutting");
}

absl::Status Descriptor::Sync() { return fsync(number_) == 0 ? absl::OkStatus() : Failure(errno, "syncing"); }

}  // namespace dmfrag::storage
