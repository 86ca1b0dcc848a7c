#ifndef DMFRAG_WORKER_CONVERT_AGED_STATE_FOLDER_H_
#define DMFRAG_WORKER_CONVERT_AGED_STATE_FOLDER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace dmfrag::convert {

// Aged states on disk, so that jobs that start from the same one make it once: files named by what the state depends
// on, compressed (.xz, with its CRC-64). Several processes may share a folder: a file appears whole, under its name, or
// not at all, and two that make the same state at once write the same. Thread-safe.
class AgedStateFolder {
 public:
  static constexpr uint64_t kDefaultMaxBytes = uint64_t{4} << 30;

  // `folder` is made when the first state is kept. At most `max_bytes` of files stay there, those used last; 0: none.
  AgedStateFolder(std::string folder, uint64_t max_bytes) : folder_(std::move(folder)), max_bytes_(max_bytes) {}

  // The bytes kept under `key`; nullopt if there are none, or the file is damaged: then it is removed.
  std::optional<std::string> Load(const std::string& key) const;

  // Keeps them, unless they are too many, and removes what was not used for longest. Errors: kUnavailable names what
  // failed, and nothing is kept; the caller can go on without.
  absl::Status Save(const std::string& key, const std::string& bytes) const;

 private:
  void RemoveOldest() const;

  std::string folder_;
  uint64_t max_bytes_;
};

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_AGED_STATE_FOLDER_H_
