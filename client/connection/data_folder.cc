#include "client/connection/data_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proto/support/server_address.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

namespace fs = std::filesystem;

constexpr char kSocketName[] = "dmfrag.sock";
// Names the folder of the socket where <root>/run is too long for one.
constexpr char kSocketFolderRecord[] = "socket-folder";

absl::StatusOr<fs::path> FindRoot(const Environment& environment) {
  if (const auto named = environment.variable("DMFRAG_DATA")) {
    if (fs::path(*named).is_absolute()) return fs::path(*named).lexically_normal();
    return absl::InvalidArgumentError(absl::StrCat("DMFRAG_DATA is ", *named, "; give an absolute path"));
  }
  // The XDG specification says that relative paths are to be ignored.
  if (const auto data = environment.variable("XDG_DATA_HOME"); data.has_value() && fs::path(*data).is_absolute()) {
    return fs::path(*data) / "dmfrag";
  }
  if (const auto home = environment.variable("HOME"); home.has_value() && fs::path(*home).is_absolute()) {
    return fs::path(*home) / ".local" / "share" / "dmfrag";
  }
  return absl::InvalidArgumentError("no place for the data: HOME is not set; set DMFRAG_DATA to a folder of your own");
}

// The folder named by the record, if there is one and it can be used.
std::optional<fs::path> RecordedSocketFolder(const fs::path& record) {
  std::ifstream file(record);
  std::string folder;
  if (!std::getline(file, folder) || !fs::path(folder).is_absolute()) return std::nullopt;
  struct stat status;
  if (lstat(folder.c_str(), &status) != 0 || !MakePrivateFolder(folder).ok()) return std::nullopt;
  return folder;
}

absl::StatusOr<fs::path> MakeSocketFolder(const Environment& environment) {
  for (const std::string& parent : {environment.variable("XDG_RUNTIME_DIR").value_or(""), std::string("/tmp")}) {
    std::string folder = parent + "/dmfrag-XXXXXX";
    if (parent.empty() || folder.size() + 1 + std::strlen(kSocketName) > kMaxSocketPathBytes) continue;
    if (mkdtemp(folder.data()) != nullptr) return fs::path(folder);
  }
  return absl::FailedPreconditionError(
      "no folder short enough for a Unix socket (107 bytes) can be made; set DMFRAG_DATA to a shorter path");
}

absl::StatusOr<fs::path> FindSocket(const Environment& environment, const fs::path& run_folder) {
  const fs::path direct = run_folder / kSocketName;
  if (direct.native().size() <= kMaxSocketPathBytes) return direct;
  const fs::path record = run_folder / kSocketFolderRecord;
  if (const auto recorded = RecordedSocketFolder(record)) return *recorded / kSocketName;
  ASSIGN_OR_RETURN(const fs::path folder, MakeSocketFolder(environment));
  const fs::path fresh = record.native() + ".new";
  std::ofstream(fresh) << folder.native() << "\n";
  std::error_code error;
  fs::rename(fresh, record, error);
  if (error) return absl::FailedPreconditionError(absl::StrCat("writing ", record.native(), ": ", error.message()));
  return folder / kSocketName;
}

}  // namespace

absl::Status MakePrivateFolder(const fs::path& folder) {
  std::error_code error;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), error);
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::FailedPreconditionError(absl::StrCat("making the folder ", folder.native(), ": ", std::strerror(errno),
                                                      "; set DMFRAG_DATA to a folder you can write"));
  }
  struct stat status;
  if (lstat(folder.c_str(), &status) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("looking at ", folder.native(), ": ", std::strerror(errno)));
  }
  if (!S_ISDIR(status.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder.native(), " is no folder (nor may it be a link to one); move it away, or set DMFRAG_DATA"));
  }
  if (status.st_uid != geteuid()) {
    return absl::FailedPreconditionError(absl::StrCat(folder.native(), " belongs to user ", status.st_uid,
                                                      ", not to you; set DMFRAG_DATA to a folder of your own"));
  }
  if ((status.st_mode & 0077) != 0) {
    return absl::FailedPreconditionError(absl::StrFormat("%s is open to other users (mode %04o); run: chmod 700 %s",
                                                         folder.native(), status.st_mode & 07777, folder.native()));
  }
  return absl::OkStatus();
}

absl::StatusOr<DataFolder> DataFolder::Open(const Environment& environment) {
  ASSIGN_OR_RETURN(const fs::path root, FindRoot(environment));
  for (const fs::path& folder : {root, root / "run", root / "log", root / "cache"}) {
    RETURN_IF_ERROR(MakePrivateFolder(folder));
  }
  ASSIGN_OR_RETURN(fs::path socket, FindSocket(environment, root / "run"));
  return DataFolder(root, std::move(socket));
}

}  // namespace dmfrag::client
