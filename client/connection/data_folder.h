#ifndef DMFRAG_CLIENT_CONNECTION_DATA_FOLDER_H_
#define DMFRAG_CLIENT_CONNECTION_DATA_FOLDER_H_

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/environment/environment.h"

namespace dmfrag::client {


// Where a user's own server keeps its things: $DMFRAG_DATA, else $XDG_DATA_HOME/dmfrag, else ~/.local/share/dmfrag.
// Every folder is the user's and open to nobody else: who can reach the socket can use the server. Immutable.
class DataFolder {
 public:
  // Makes the folders that are missing, with mode 0700.
  // Errors: INVALID_ARGUMENT if no variable names a place, or it is no absolute path; FAILED_PRECONDITION if a folder
  // belongs to somebody else, is open to others, or is no folder; the text says what to do.
  static absl::StatusOr<DataFolder> Open(const Environment& environment);

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path database() const { return root_ / "dmfrag.db"; }
  std::filesystem::path log_folder() const { return root_ / "log"; }
  std::filesystem::path run_folder() const { return root_ / "run"; }
  std::filesystem::path cache_folder() const { return root_ / "cache"; }
  // <root>/run/dmfrag.sock, or, where that is too long for a socket, a short path in a folder of its own below
  // $XDG_RUNTIME_DIR or /tmp, whose name is recorded in <root>/run/socket-folder.
  const std::filesystem::path& socket() const { return socket_; }

 private:
  DataFolder(std::filesystem::path root, std::filesystem::path socket)
      : root_(std::move(root)), socket_(std::move(socket)) {}

  std::filesystem::path root_;
  std::filesystem::path socket_;
};

// Makes `folder` (and missing parents) with mode 0700 if it is not there, and checks that it is a folder of this user's
// and open to nobody else. Errors: FAILED_PRECONDITION, with the remedy.
absl::Status MakePrivateFolder(const std::filesystem::path& folder);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CONNECTION_DATA_FOLDER_H_
