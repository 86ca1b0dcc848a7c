#include "worker/convert/aged_state_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/workload/xz.h"

namespace dmfrag::convert {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxStateBytes = (size_t{1} << 31) - 1;

std::string PathOf(const std::string& folder, const std::string& key) { return absl::StrCat(folder, "/", key, ".xz"); }

absl::Status Failed(const std::string& what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

// Writes a new file that is on the disk when this returns.
absl::Status WriteSynced(const std::string& path, const std::string& bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return Failed(path);
  size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t count = write(file, bytes.data() + written, bytes.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    written += static_cast<size_t>(count);
  }
  const bool done = written == bytes.size() && fsync(file) == 0;
  const absl::Status status = done ? absl::OkStatus() : Failed(path);
  close(file);
  return status;
}

}  // namespace

std::optional<std::string> AgedStateFolder::Load(const std::string& key) const {
  const std::string path = PathOf(folder_, key);
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  if (!file || !(content << file.rdbuf())) return std::nullopt;
  absl::StatusOr<std::string> bytes = workload::DecompressXz(content.str(), kMaxStateBytes);
  if (!bytes.ok()) {
    unlink(path.c_str());
    return std::nullopt;
  }
  utimensat(AT_FDCWD, path.c_str(), nullptr, 0);  // used now; a failure makes it go earlier, no more
  return *std::move(bytes);
}

absl::Status AgedStateFolder::Save(const std::string& key, const std::string& bytes) const {
  if (bytes.size() > kMaxStateBytes) return absl::OkStatus();
  const std::string compressed = workload::CompressXz(bytes);
  if (compressed.size() > max_bytes_) return absl::OkStatus();
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return absl::UnavailableError(absl::StrCat(folder_, ": ", error.message()));
  const std::string path = PathOf(folder_, key);
  const std::string partial = absl::StrCat(path, ".", getpid());
  absl::Status status = WriteSynced(partial, compressed);
  if (status.ok() && std::rename(partial.c_str(), path.c_str()) != 0) status = Failed(path);
  if (!status.ok()) unlink(partial.c_str());
  RemoveOldest();
  return status;
}

// What a process that was killed left half written is removed too, in its turn.
void AgedStateFolder::RemoveOldest() const {
  struct File {
    fs::file_time_type used;
    fs::path path;
    uint64_t bytes = 0;
    bool operator<(const File& other) const { return std::tie(used, path) < std::tie(other.used, other.path); }
  };
  std::vector<File> files;
  uint64_t sum = 0;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error)) {
    if (!entry.is_regular_file(error)) continue;
    File file = {.used = entry.last_write_time(error), .path = entry.path()};
    if (!error) file.bytes = entry.file_size(error);
    if (error) continue;  // another process was faster
    sum += file.bytes;
    files.push_back(std::move(file));
  }
  std::sort(files.begin(), files.end());
  for (const File& file : files) {
    if (sum <= max_bytes_) return;
    fs::remove(file.path, error);
    sum -= file.bytes;
  }
}

}  // namespace dmfrag::convert
