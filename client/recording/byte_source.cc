#include "client/recording/byte_source.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// A file descriptor and the bytes that were read of it to see what it holds.
class PlainSource : public ByteSource {
 public:
  PlainSource(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PlainSource() override { close(fd_); }
  PlainSource(const PlainSource&) = delete;
  PlainSource& operator=(const PlainSource&) = delete;

  // What the first bytes are; they are read again later.
  absl::StatusOr<std::string_view> Peek(size_t bytes) {
    while (peeked_.size() < bytes) {
      std::array<char, 16> more;
      ASSIGN_OR_RETURN(const size_t count,
                       ReadFile(std::span(more).first(std::min(more.size(), bytes - peeked_.size()))));
      if (count == 0) break;
      peeked_.append(more.data(), count);
    }
    return std::string_view(peeked_);
  }

  absl::StatusOr<size_t> Read(std::span<char> buffer) override {
    if (given_ < peeked_.size()) {
      const size_t count = peeked_.copy(buffer.data(), buffer.size(), given_);
      given_ += count;
      return count;
    }
    return ReadFile(buffer);
  }

 private:
  absl::StatusOr<size_t> ReadFile(std::span<char> buffer) {
    while (true) {
      const ssize_t count = read(fd_, buffer.data(), buffer.size());
      if (count >= 0) return static_cast<size_t>(count);
      if (errno != EINTR) {
        return absl::DataLossError(absl::StrCat(path_, " cannot be read: ", std::strerror(errno),
                                                "; copy it again, or import what came with --partial"));
      }
    }
  }

  int fd_;
  std::string path_;
  std::string peeked_;
  size_t given_ = 0;
};

class CompressedSource : public ByteSource {
 public:
  CompressedSource(std::unique_ptr<PlainSource> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)), archive_(archive_read_new(), &archive_read_free) {}

  absl::Status Open() {
    archive* const reader = archive_.get();
    archive_read_support_filter_gzip(reader);
    archive_read_support_filter_xz(reader);
    archive_read_support_filter_zstd(reader);
    archive_read_support_format_raw(reader);
    archive_read_support_format_empty(reader);
    archive_entry* entry = nullptr;
    if (archive_read_open(reader, this, nullptr, &CompressedSource::Give, nullptr) != ARCHIVE_OK) return Error();
    const int result = archive_read_next_header(reader, &entry);
    // Without a filter it took what is left of a compressed file for plain bytes.
    if (archive_filter_code(reader, 0) == ARCHIVE_FILTER_NONE) return Error();
    empty_ = result == ARCHIVE_EOF;
    return empty_ || result == ARCHIVE_OK ? absl::OkStatus() : Error();
  }

  absl::StatusOr<size_t> Read(std::span<char> buffer) override {
    if (empty_) return size_t{0};
    const la_ssize_t count = archive_read_data(archive_.get(), buffer.data(), buffer.size());
    if (count < 0) return Error();
    given_ += static_cast<size_t>(count);
    return static_cast<size_t>(count);
  }

 private:
  static la_ssize_t Give(archive* reader, void* self, const void** bytes) {
    auto* const source = static_cast<CompressedSource*>(self);
    const absl::StatusOr<size_t> count = source->file_->Read(source->compressed_);
    if (!count.ok()) {
      archive_set_error(reader, EIO, "%s", std::string(count.status().message()).c_str());
      return -1;
    }
    *bytes = source->compressed_.data();
    return static_cast<la_ssize_t>(*count);
  }

  absl::Status Error() const {
    const char* const why = archive_error_string(archive_.get());
    return absl::DataLossError(absl::StrCat(path_, ": compressed data is damaged or was cut off after ", given_,
                                            " decompressed bytes (", why == nullptr ? "no reason given" : why,
                                            "); copy it again, or import what came with --partial"));
  }

  std::unique_ptr<PlainSource> file_;
  std::string path_;
  std::unique_ptr<archive, decltype(&archive_read_free)> archive_;
  std::array<char, 1 << 16> compressed_;
  size_t given_ = 0;
  bool empty_ = false;
};

bool IsCompressed(std::string_view head) {
  constexpr std::string_view kMagics[] = {"\x1f\x8b", std::string_view("\xfd\x37zXZ\0", 6), "\x28\xb5\x2f\xfd"};
  return std::any_of(std::begin(kMagics), std::end(kMagics),
                     [&](std::string_view magic) { return head.starts_with(magic); });
}

absl::Status CannotOpen(const std::string& path, int error) {
  if (error == ENOENT || error == ENOTDIR) {
    return absl::NotFoundError(absl::StrCat("there is no file \"", path, "\"; name a recording"));
  }
  if (error == EACCES || error == EPERM) {
    return absl::PermissionDeniedError(absl::StrCat("you may not read ", path, "; ask its owner, or run as root"));
  }
  return absl::InvalidArgumentError(absl::StrCat(path, " cannot be opened: ", std::strerror(error)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ByteSource>> OpenByteSource(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return CannotOpen(path, errno);
  auto file = std::make_unique<PlainSource>(fd, path);
  struct stat status;
  if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is a folder; name a recording in it"));
  }
  ASSIGN_OR_RETURN(const std::string_view head, file->Peek(6));
  if (!IsCompressed(head)) return file;
  auto compressed = std::make_unique<CompressedSource>(std::move(file), path);
  RETURN_IF_ERROR(compressed->Open());
  return compressed;
}

}  // namespace dmfrag::client
