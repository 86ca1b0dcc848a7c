#include "server/listen_address.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/support/server_address.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::server {
namespace {

constexpr char kScheme[] = "unix:";

absl::Status CheckFolder(const std::string& folder) {
  struct stat info = {};
  if (stat(folder.c_str(), &info) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder, ": ", std::strerror(errno), "; make it with: mkdir -m 700 ", folder));
  }
  if (!S_ISDIR(info.st_mode)) return absl::FailedPreconditionError(absl::StrCat(folder, ": is no folder"));
  if (info.st_uid != geteuid()) return absl::FailedPreconditionError(absl::StrCat(folder, ": belongs to another user"));
  if ((info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        folder, ": others can enter it, and whoever reaches the socket can use the server; run: chmod 700 ", folder));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> PrepareUnixSocket(const std::string& address) {
  if (!absl::StartsWith(address, kScheme)) {
    return absl::InvalidArgumentError(absl::StrCat("--listen ", address,
                                                   ": only Unix sockets are served until TLS stands, since loopback is "
                                                   "not private on a shared host; use unix:PATH"));
  }
  const std::string path = std::filesystem::absolute(address.substr(sizeof(kScheme) - 1));
  if (path.size() > kMaxSocketPathBytes) {
    return absl::InvalidArgumentError(absl::StrCat("--listen ", address, ": the path has ", path.size(),
                                                   " characters; a socket's may have ", kMaxSocketPathBytes));
  }
  RETURN_IF_ERROR(CheckFolder(std::filesystem::path(path).parent_path()));

  struct stat info = {};
  if (lstat(path.c_str(), &info) != 0) return path;
  if (!S_ISSOCK(info.st_mode))
    return absl::FailedPreconditionError(absl::StrCat(path, ": is there and is no socket; name another path"));
  if (SomebodyListens(path)) return absl::FailedPreconditionError(absl::StrCat(path, ": another server listens there"));
  if (unlink(path.c_str()) != 0) return absl::FailedPreconditionError(absl::StrCat(path, ": ", std::strerror(errno)));
  return path;
}

}  // namespace dmfrag::server
