#include "client/capture/system_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace dmfrag::client {
namespace {

absl::Status ReasonOf(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError("no permission; run as root");
    case ENOENT:
      return absl::NotFoundError("this kernel does not provide it");
    default:
      return absl::UnavailableError(std::strerror(error));
  }
}

}  // namespace

absl::StatusOr<std::string> SystemFiles::Read(std::string_view path) const {
  const int file = open(At(path).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return ReasonOf(errno);
  const absl::Cleanup close_file = [file] { close(file); };
  std::string text;
  std::array<char, 65536> part;
  for (;;) {
    const ssize_t got = read(file, part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ReasonOf(errno);
    if (got == 0) return text;
    text.append(part.data(), static_cast<size_t>(got));
  }
}

}  // namespace dmfrag::client
