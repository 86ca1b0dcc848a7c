#ifndef DMFRAG_STORAGE_SQLITE_SQLITE_STORE_H_
#define DMFRAG_STORAGE_SQLITE_SQLITE_STORE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "storage/store.h"

namespace dmfrag::storage {

// When a commit counts as durable.
enum class Durability {
  kFull,    // synced: survives kill -9 and power loss
  kNormal,  // written: survives kill -9; the last commits before a power loss may be gone, the rest is whole
  kOff,     // never synced: a power loss may destroy the file. For benchmarks only
};

struct SqliteOptions {
  Durability durability = Durability::kFull;
  // A transaction takes what waits, up to this many units, and begins none after this time.
  size_t group_units = 512;
  absl::Duration group_time = absl::Milliseconds(20);
  // Units beyond this many waiting ones are refused with kResourceExhausted.
  size_t queued_units = 65536;
  // Read-only connections at most.
  int reader_connections = 4;
  // A checkpoint is tried each time the write-ahead log has grown by this many pages of 4 KiB. 32 MiB, so that the two
  // syncs of a checkpoint are few beside those of the commits.
  int64_t checkpoint_frames = 8192;
  // Check the file's structure when it is opened; reads all of it.
  bool quick_check = true;
  // Name of a registered SQLite VFS; empty: the default. For tests of faults.
  std::string vfs;
};

// Version and source id of the SQLite library, for the log.
std::string SqliteVersion();

// Opens or creates the store in one SQLite file, and brings its schema up to date. `<path>.lock` is held meanwhile. The
// store goes on working after a failed commit: once the disk takes writes again, later units succeed. Its destructor
// runs what is queued, calls every `done`, and closes the file; no other thread may use the store by then. Errors:
//   kFailedPrecondition: another server has it open (the text names file and process); it is no file of ours; it was
//     written by a newer program.
//   kDataLoss: the file is damaged.
//   kUnavailable, kResourceExhausted, kPermissionDenied: it cannot be opened or created.
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path, const SqliteOptions& options);

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_SQLITE_SQLITE_STORE_H_
