#include "proto/support/server_address.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace dmfrag {

absl::StatusOr<std::filesystem::path> ParseServerAddress(std::string_view address) {
  constexpr std::string_view kPrefix = "unix:";
  const std::string shown(address);
  if (!address.starts_with(kPrefix)) {
    return absl::InvalidArgumentError(
        absl::StrCat("server address ", shown,
                     ": only Unix sockets can be used until TLS stands (a TCP port of a shared "
                     "machine is open to all its users); write unix:/path/to/socket"));
  }
  std::string_view path = address.substr(kPrefix.size());
  if (path.starts_with("///")) path.remove_prefix(2);
  if (!path.starts_with('/') || path.starts_with("//")) {
    return absl::InvalidArgumentError(absl::StrCat("server address ", shown, ": write an absolute path, unix:/path"));
  }
  if (path.size() > kMaxSocketPathBytes) {
    return absl::InvalidArgumentError(absl::StrCat("server address ", shown, ": the path has ", path.size(),
                                                   " bytes; a Unix socket's has at most ", kMaxSocketPathBytes));
  }
  return std::filesystem::path(path);
}

std::string GrpcTarget(const std::filesystem::path& socket) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string target = "unix:";
  for (const char c : socket.native()) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || std::strchr("/-._~", c) != nullptr) {
      target += c;
    } else {
      target += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return target;
}

bool SomebodyListens(const std::filesystem::path& socket) {
  sockaddr_un address = {};
  if (socket.native().size() > kMaxSocketPathBytes) return false;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket.c_str(), socket.native().size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool taken = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return taken;
}

}  // namespace dmfrag
