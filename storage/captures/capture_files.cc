#include "storage/captures/capture_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/captures/descriptor.h"
#include "storage/captures/sha256.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::storage {
namespace {

constexpr size_t kHexDigits = 64;
constexpr size_t kHashChunkBytes = 1 << 20;

// Also keeps every name inside the folder.
absl::Status CheckName(const std::string& sha256) {
  if (sha256.size() == kHexDigits && sha256.find_first_not_of("0123456789abcdef") == std::string::npos) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", sha256.substr(0, 80), "\" is no SHA-256: it is 64 lower-case hex digits"));
}

absl::Status CheckSize(const std::string& sha256, int64_t size_bytes) {
  if (size_bytes < 0) return absl::InvalidArgumentError(absl::StrCat("capture ", sha256, ": a negative size"));
  if (size_bytes <= CaptureFiles::kMaxCaptureBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("capture ", sha256, " has ", size_bytes, " bytes; the limit is ",
                                                   CaptureFiles::kMaxCaptureBytes, "; record a shorter one"));
}

// Size of a file, or nothing if there is none.
absl::StatusOr<int64_t> SizeOf(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) == 0) return info.st_size;
  return absl::ErrnoToStatus(errno, absl::StrCat("examining ", path));
}

absl::StatusOr<std::string> HashOf(const Descriptor& file, int64_t size_bytes) {
  ASSIGN_OR_RETURN(Sha256 hash, Sha256::Create());
  for (int64_t offset = 0; offset < size_bytes;) {
    ASSIGN_OR_RETURN(const std::string chunk, file.ReadAt(offset, kHashChunkBytes));
    if (chunk.empty()) break;  // shorter than it was: the digest will tell
    RETURN_IF_ERROR(hash.Add(chunk));
    offset += static_cast<int64_t>(chunk.size());
  }
  return hash.FinishHex();
}

}  // namespace

class CaptureFiles::Claim {
 public:
  static absl::StatusOr<Claim> Take(CaptureFiles* files, const std::string& sha256) {
    std::lock_guard<std::mutex> lock(files->mutex_);
    if (files->writing_.insert(sha256).second) return Claim(files, sha256);
    return absl::AbortedError(
        absl::StrCat("capture ", sha256, " is being uploaded by another; wait, then ask how far it has come"));
  }

  Claim(Claim&& other) noexcept : files_(std::exchange(other.files_, nullptr)), sha256_(std::move(other.sha256_)) {}
  Claim& operator=(Claim&& other) = delete;
  ~Claim() {
    if (files_ == nullptr) return;
    std::lock_guard<std::mutex> lock(files_->mutex_);
    files_->writing_.erase(sha256_);
  }

 private:
  Claim(CaptureFiles* files, std::string sha256) : files_(files), sha256_(std::move(sha256)) {}

  CaptureFiles* files_;
  std::string sha256_;
};

absl::StatusOr<std::unique_ptr<CaptureFiles>> CaptureFiles::Open(const std::string& folder) {
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, absl::StrCat("making the folder of captures ", folder));
  }
  struct stat info;
  if (stat(folder.c_str(), &info) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("examining ", folder));
  if (!S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(folder, " is no folder; captures are kept there: move it away"));
  }
  return std::unique_ptr<CaptureFiles>(new CaptureFiles(folder));
}

std::string CaptureFiles::FinalPath(const std::string& sha256) const { return absl::StrCat(folder_, "/", sha256); }

std::string CaptureFiles::PartialPath(const std::string& sha256) const {
  return absl::StrCat(folder_, "/", sha256, ".partial");
}

absl::Status CaptureFiles::SyncFolder() const {
  ASSIGN_OR_RETURN(Descriptor folder, Descriptor::Open(folder_, O_RDONLY | O_DIRECTORY));
  return folder.Sync();
}

absl::StatusOr<CaptureFiles::Progress> CaptureFiles::GetProgress(const std::string& sha256) const {
  RETURN_IF_ERROR(CheckName(sha256));
  for (const bool complete : {true, false}) {
    absl::StatusOr<int64_t> size = SizeOf(complete ? FinalPath(sha256) : PartialPath(sha256));
    if (size.ok()) return Progress{*size, complete};
    if (!absl::IsNotFound(size.status())) return size.status();
  }
  return Progress{};
}

absl::StatusOr<int64_t> CaptureFiles::Append(const std::string& sha256, int64_t size_bytes, int64_t offset_bytes,
                                             std::string_view data) {
  RETURN_IF_ERROR(CheckName(sha256));
  RETURN_IF_ERROR(CheckSize(sha256, size_bytes));
  ASSIGN_OR_RETURN(const Claim claim, Claim::Take(this, sha256));
  ASSIGN_OR_RETURN(const Progress progress, GetProgress(sha256));
  if (progress.complete) return progress.committed_bytes;
  if (offset_bytes != progress.committed_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("capture ", sha256, ": a chunk for offset ", offset_bytes, ", but ",
                                                   progress.committed_bytes, " bytes are here; resume there"));
  }
  if (static_cast<int64_t>(data.size()) > size_bytes - offset_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("capture ", sha256, ": ", data.size(), " bytes at offset ",
                                                   offset_bytes, " reach beyond its size of ", size_bytes));
  }
  ASSIGN_OR_RETURN(Descriptor file, Descriptor::Open(PartialPath(sha256), O_RDWR | O_CREAT));
  absl::Status status = file.WriteAt(offset_bytes, data);
  if (status.ok()) return offset_bytes + static_cast<int64_t>(data.size());
  // A chunk is there whole or not at all, as far as the file system lets us.
  file.Truncate(offset_bytes).IgnoreError();
  return status;
}

absl::Status CaptureFiles::Finish(const std::string& sha256, int64_t size_bytes) {
  RETURN_IF_ERROR(CheckName(sha256));
  RETURN_IF_ERROR(CheckSize(sha256, size_bytes));
  ASSIGN_OR_RETURN(const Claim claim, Claim::Take(this, sha256));
  ASSIGN_OR_RETURN(const Progress progress, GetProgress(sha256));
  // Named, but the sync of the folder may have failed then.
  if (progress.complete) return SyncFolder();
  if (progress.committed_bytes < size_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("capture ", sha256, ": ", progress.committed_bytes, " of ",
                                                   size_bytes, " bytes are here; send the rest"));
  }
  // An empty capture has no chunk, so its file may not be there yet.
  ASSIGN_OR_RETURN(Descriptor file, Descriptor::Open(PartialPath(sha256), O_RDWR | O_CREAT));
  RETURN_IF_ERROR(file.Sync());
  ASSIGN_OR_RETURN(const std::string actual, HashOf(file, progress.committed_bytes));
  if (actual != sha256 || progress.committed_bytes != size_bytes) {
    unlink(PartialPath(sha256).c_str());
    return absl::DataLossError(absl::StrCat("what was sent as capture ", sha256, " has the SHA-256 ", actual, " and ",
                                            progress.committed_bytes, " bytes; it is discarded; upload again from 0"));
  }
  if (rename(PartialPath(sha256).c_str(), FinalPath(sha256).c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("naming ", FinalPath(sha256)));
  }
  return SyncFolder();
}

absl::StatusOr<std::string> CaptureFiles::Read(const std::string& sha256, int64_t offset_bytes, size_t count) const {
  RETURN_IF_ERROR(CheckName(sha256));
  absl::StatusOr<Descriptor> file = Descriptor::Open(FinalPath(sha256), O_RDONLY);
  if (absl::IsNotFound(file.status())) {
    return absl::NotFoundError(absl::StrCat("no complete capture ", sha256, "; upload it first"));
  }
  RETURN_IF_ERROR(file.status());
  ASSIGN_OR_RETURN(const int64_t size, file->Size());
  if (offset_bytes < 0 || offset_bytes > size) {
    return absl::OutOfRangeError(
        absl::StrCat("capture ", sha256, " has ", size, " bytes; there is no offset ", offset_bytes));
  }
  return file->ReadAt(offset_bytes, std::min<size_t>(count, static_cast<size_t>(size - offset_bytes)));
}

}  // namespace dmfrag::storage
