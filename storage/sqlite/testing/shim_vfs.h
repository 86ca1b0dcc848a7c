#ifndef DMFRAG_STORAGE_SQLITE_TESTING_SHIM_VFS_H_
#define DMFRAG_STORAGE_SQLITE_TESTING_SHIM_VFS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3_vfs;

namespace dmfrag::storage::sqlite {

// What SQLite asks of the file system.
enum class FileOperation { kOpen, kRead, kWrite, kTruncate, kSync, kDelete };

// One such call. `path` is absolute.
struct FileCall {
  FileOperation operation;
  std::string_view path;
  int64_t offset = 0;           // kRead, kWrite; kTruncate: the new size
  std::string_view bytes = {};  // kWrite
  bool read_write = false;      // kOpen: of a database, for writing
};

// Sees every call before it is made, and may fail it. Called from any thread that uses SQLite.
class FileCallHooks {
 public:
  virtual ~FileCallHooks() = default;
  struct Verdict {
    int code = 0;            // 0: go on; else the call is not made, and SQLite gets this result code
    bool half_done = false;  // with a code, for kWrite: the first half of the bytes is written all the same
  };
  virtual Verdict Before(const FileCall& call) = 0;
};

// A registered VFS over the default one, whose calls pass through hooks. Syncs are seen by the hooks and not made: a
// test's power never fails.
class ShimVfs {
 public:
  // Borrows the hooks. `name` must not be registered.
  ShimVfs(const std::string& name, FileCallHooks* hooks);
  ShimVfs(const ShimVfs&) = delete;
  ~ShimVfs();

  const std::string& name() const { return name_; }

 private:
  const std::string name_;
  const std::unique_ptr<sqlite3_vfs> vfs_;
};

}  // namespace dmfrag::storage::sqlite

#endif  // DMFRAG_STORAGE_SQLITE_TESTING_SHIM_VFS_H_
