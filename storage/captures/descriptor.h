#ifndef DMFRAG_STORAGE_CAPTURES_DESCRIPTOR_H_
#define DMFRAG_STORAGE_CAPTURES_DESCRIPTOR_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dmfrag::storage {

// An open file, closed at the end of the scope. Used on one thread. Errors are those of the system, naming the file;
// kResourceExhausted is a full disk.
class Descriptor {
 public:
  // As open(2), with O_CLOEXEC.
  static absl::StatusOr<Descriptor> Open(const std::string& path, int flags);
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) = delete;
  ~Descriptor();

  absl::StatusOr<int64_t> Size() const;
  // Writes all of it at `offset`.
  absl::Status WriteAt(int64_t offset, std::string_view data);
  // Reads until `count` bytes or the end.
  absl::StatusOr<std::string> ReadAt(int64_t offset, size_t count) const;
  absl::Status Truncate(int64_t size);
  // Until it returns OK nothing written is durable.
  absl::Status Sync();

 private:
  Descriptor(int number, std::string path) : number_(number), path_(std::move(path)) {}
  absl::Status Failure(int error, const char* doing) const;

  int number_;
  std::string path_;
};

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_CAPTURES_DESCRIPTOR_H_
