#include "client/files/new_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

absl::Status Exists(const std::filesystem::path& path) {
  return absl::AlreadyExistsError(
      absl::StrCat(path.string(), " exists; give another name with -o, or --force to replace it"));
}

absl::Status CannotMake(const std::filesystem::path& path, int error) {
  const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
  std::error_code ignored;
  // Folders that are none of a disk say that, too.
  if (error == ENOENT && std::filesystem::is_directory(folder, ignored)) error = EACCES;
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::InvalidArgumentError(absl::StrCat(path.string(), " cannot be made: there is no folder ", folder,
                                                     "; make it first, or give another name with -o"));
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::InvalidArgumentError(absl::StrCat(path.string(), " cannot be made: you may not write in ", folder,
                                                     "; name a file in a folder of yours with -o"));
    default:
      return absl::InvalidArgumentError(
          absl::StrCat(path.string(), " cannot be made: ", std::strerror(error), "; give another name with -o"));
  }
}

absl::Status CannotWrite(const std::filesystem::path& path, int error) {
  const char* const remedy =
      error == ENOSPC || error == EDQUOT ? "; make room, or name a file on another disk with -o" : "";
  return absl::ResourceExhaustedError(
      absl::StrCat(path.string(), " cannot be written: ", std::strerror(error), remedy));
}

absl::Status CheckName(const std::filesystem::path& path, bool force) {
  if (!path.has_filename()) {
    return absl::InvalidArgumentError(absl::StrCat("\"", path.string(), "\" names no file; name one with -o"));
  }
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(path, ignored);
  if (std::filesystem::is_directory(status)) {
    return absl::InvalidArgumentError(absl::StrCat(path.string(), " is a folder; name a file in it with -o"));
  }
  if (std::filesystem::is_other(status)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.string(), " is a device or pipe, and a recording needs a plain file; name one with -o"));
  }
  return std::filesystem::exists(status) && !force ? Exists(path) : absl::OkStatus();
}

std::filesystem::path TemporaryName(const std::filesystem::path& path) {
  return absl::StrCat(path.string(), ".dmfrag-part");
}

// Whether the open file still has this name.
bool HasName(int file, const std::filesystem::path& name) {
  struct stat opened, named;
  return fstat(file, &opened) == 0 && stat(name.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

}  // namespace

NewFile::NewFile(std::filesystem::path path, bool force, int file)
    : path_(std::move(path)), temporary_(TemporaryName(path_)), force_(force), file_(file) {}

NewFile::~NewFile() {
  // The name goes before the lock does.
  if (!temporary_.empty()) unlink(temporary_.c_str());
  close(file_);
}

absl::StatusOr<std::unique_ptr<NewFile>> NewFile::Create(const std::filesystem::path& path, bool force) {
  RETURN_IF_ERROR(CheckName(path, force));
  const std::filesystem::path temporary = TemporaryName(path);
  for (;;) {
    const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
    if (file < 0) return CannotMake(path, errno);
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
      close(file);
      return absl::AlreadyExistsError(absl::StrCat(
          path.string(), " is being written by another dmfrag; wait for it, or give another name with -o"));
    }
    // Whoever held the lock before may have given the file its own name, or deleted it.
    if (!HasName(file, temporary)) {
      close(file);
      continue;
    }
    auto made = absl::WrapUnique(new NewFile(path, force, file));
    if (ftruncate(file, 0) != 0) return CannotWrite(path, errno);
    return made;
  }
}

absl::Status NewFile::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return CannotWrite(path_, errno);
    bytes_ += written;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status NewFile::Keep() {
  if (fsync(file_) != 0) return CannotWrite(path_, errno);
  // Without --force a link, which fails if somebody made such a file meanwhile.
  const int failed = force_ ? rename(temporary_.c_str(), path_.c_str()) : link(temporary_.c_str(), path_.c_str());
  if (failed != 0) return errno == EEXIST ? Exists(path_) : CannotMake(path_, errno);
  if (!force_) unlink(temporary_.c_str());
  temporary_.clear();
  return absl::OkStatus();
}

}  // namespace dmfrag::client
