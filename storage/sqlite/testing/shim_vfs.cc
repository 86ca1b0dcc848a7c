#include "storage/sqlite/testing/shim_vfs.h"

#include <sqlite3.h>

#include "third_party/abseil_extras/check.h"

namespace dmfrag::storage::sqlite {
namespace {

// SQLite allocates szOsFile bytes for an open file: this, and behind it the default VFS's own.
struct ShimFile {
  sqlite3_file base;  // first, so that a pointer to it is a pointer to this
  FileCallHooks* hooks;
  const char* path;  // SQLite keeps it until the file is closed; null for a temporary file
};

ShimFile* AsShim(sqlite3_file* file) { return reinterpret_cast<ShimFile*>(file); }
sqlite3_file* Real(sqlite3_file* file) { return reinterpret_cast<sqlite3_file*>(AsShim(file) + 1); }
sqlite3_vfs* RealVfs() { return sqlite3_vfs_find(nullptr); }

std::string_view PathOf(sqlite3_file* file) {
  const char* path = AsShim(file)->path;
  return path == nullptr ? std::string_view() : std::string_view(path);
}

int Close(sqlite3_file* file) { return Real(file)->pMethods->xClose(Real(file)); }

int Read(sqlite3_file* file, void* buffer, int count, sqlite3_int64 offset) {
  const auto verdict = AsShim(file)->hooks->Before({FileOperation::kRead, PathOf(file), offset});
  if (verdict.code != SQLITE_OK) return verdict.code;
  return Real(file)->pMethods->xRead(Real(file), buffer, count, offset);
}

int Write(sqlite3_file* file, const void* buffer, int count, sqlite3_int64 offset) {
  const std::string_view bytes(static_cast<const char*>(buffer), static_cast<size_t>(count));
  const auto verdict = AsShim(file)->hooks->Before({FileOperation::kWrite, PathOf(file), offset, bytes});
  if (verdict.code == SQLITE_OK) return Real(file)->pMethods->xWrite(Real(file), buffer, count, offset);
  if (verdict.half_done) Real(file)->pMethods->xWrite(Real(file), buffer, count / 2, offset);
  return verdict.code;
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  const auto verdict = AsShim(file)->hooks->Before({FileOperation::kTruncate, PathOf(file), size});
  return verdict.code != SQLITE_OK ? verdict.code : Real(file)->pMethods->xTruncate(Real(file), size);
}

int Sync(sqlite3_file* file, int) { return AsShim(file)->hooks->Before({FileOperation::kSync, PathOf(file)}).code; }

int FileSize(sqlite3_file* file, sqlite3_int64* size) { return Real(file)->pMethods->xFileSize(Real(file), size); }
int Lock(sqlite3_file* file, int level) { return Real(file)->pMethods->xLock(Real(file), level); }
int Unlock(sqlite3_file* file, int level) { return Real(file)->pMethods->xUnlock(Real(file), level); }
int CheckReservedLock(sqlite3_file* file, int* held) {
  return Real(file)->pMethods->xCheckReservedLock(Real(file), held);
}
int FileControl(sqlite3_file* file, int operation, void* argument) {
  return Real(file)->pMethods->xFileControl(Real(file), operation, argument);
}
int SectorSize(sqlite3_file* file) { return Real(file)->pMethods->xSectorSize(Real(file)); }
// None promised: the write-ahead log must do without atomic or ordered writes.
int DeviceCharacteristics(sqlite3_file*) { return 0; }
int ShmMap(sqlite3_file* file, int region, int size, int extend, void volatile** mapped) {
  return Real(file)->pMethods->xShmMap(Real(file), region, size, extend, mapped);
}
int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
  return Real(file)->pMethods->xShmLock(Real(file), offset, count, flags);
}
void ShmBarrier(sqlite3_file* file) { Real(file)->pMethods->xShmBarrier(Real(file)); }
int ShmUnmap(sqlite3_file* file, int remove) { return Real(file)->pMethods->xShmUnmap(Real(file), remove); }

constexpr sqlite3_io_methods kMethods = {
    2,
    Close,
    Read,
    Write,
    Truncate,
    Sync,
    FileSize,
    Lock,
    Unlock,
    CheckReservedLock,
    FileControl,
    SectorSize,
    DeviceCharacteristics,
    ShmMap,
    ShmLock,
    ShmBarrier,
    ShmUnmap,
    nullptr,
    nullptr,
};

FileCallHooks* HooksOf(sqlite3_vfs* vfs) { return static_cast<FileCallHooks*>(vfs->pAppData); }

int Open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* flags_out) {
  file->pMethods = nullptr;  // not open: SQLite will not close it
  FileCall call{FileOperation::kOpen, path == nullptr ? "" : path};
  call.read_write = (flags & SQLITE_OPEN_MAIN_DB) != 0 && (flags & SQLITE_OPEN_READWRITE) != 0;
  const auto verdict = HooksOf(vfs)->Before(call);
  if (verdict.code != SQLITE_OK) return verdict.code;
  const int code = RealVfs()->xOpen(RealVfs(), path, Real(file), flags, flags_out);
  if (code != SQLITE_OK) return code;
  AsShim(file)->hooks = HooksOf(vfs);
  AsShim(file)->path = path;
  file->pMethods = &kMethods;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs* vfs, const char* path, int sync_folder) {
  const auto verdict = HooksOf(vfs)->Before({FileOperation::kDelete, path});
  return verdict.code != SQLITE_OK ? verdict.code : RealVfs()->xDelete(RealVfs(), path, sync_folder);
}

int Access(sqlite3_vfs*, const char* path, int flags, int* result) {
  return RealVfs()->xAccess(RealVfs(), path, flags, result);
}
int FullPathname(sqlite3_vfs*, const char* path, int size, char* out) {
  return RealVfs()->xFullPathname(RealVfs(), path, size, out);
}
int Randomness(sqlite3_vfs*, int size, char* out) { return RealVfs()->xRandomness(RealVfs(), size, out); }
int Sleep(sqlite3_vfs*, int microseconds) { return RealVfs()->xSleep(RealVfs(), microseconds); }
int CurrentTimeInt64(sqlite3_vfs*, sqlite3_int64* time) { return RealVfs()->xCurrentTimeInt64(RealVfs(), time); }
int CurrentTime(sqlite3_vfs*, double* time) { return RealVfs()->xCurrentTime(RealVfs(), time); }
int GetLastError(sqlite3_vfs*, int, char*) { return 0; }  // errors made here have no errno

}  // namespace

ShimVfs::ShimVfs(const std::string& name, FileCallHooks* hooks) : name_(name), vfs_(new sqlite3_vfs{}) {
  vfs_->iVersion = 2;
  vfs_->szOsFile = static_cast<int>(sizeof(ShimFile)) + RealVfs()->szOsFile;
  vfs_->mxPathname = RealVfs()->mxPathname;
  vfs_->zName = name_.c_str();
  vfs_->pAppData = hooks;
  vfs_->xOpen = Open;
  vfs_->xDelete = Delete;
  vfs_->xAccess = Access;
  vfs_->xFullPathname = FullPathname;
  vfs_->xRandomness = Randomness;
  vfs_->xSleep = Sleep;
  vfs_->xCurrentTime = CurrentTime;
  vfs_->xGetLastError = GetLastError;
  vfs_->xCurrentTimeInt64 = CurrentTimeInt64;
  CHECK(sqlite3_vfs_register(vfs_.get(), /*makeDflt=*/0) == SQLITE_OK);
}

ShimVfs::~ShimVfs() { sqlite3_vfs_unregister(vfs_.get()); }

}  // namespace dmfrag::storage::sqlite
