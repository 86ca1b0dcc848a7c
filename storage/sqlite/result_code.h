#ifndef DMFRAG_STORAGE_SQLITE_RESULT_CODE_H_
#define DMFRAG_STORAGE_SQLITE_RESULT_CODE_H_

#include <string_view>

#include "absl/status/status.h"

struct sqlite3;

namespace dmfrag::storage::sqlite {

// The status for an extended result code of SQLite; OK for SQLITE_OK, SQLITE_ROW and SQLITE_DONE. By code, never by
// text:
//   full disk, quota, no memory                 kResourceExhausted
//   damaged or foreign file                     kDataLoss
//   locked, interrupted by another, other I/O   kUnavailable: nothing was changed, try again
//   unique, primary key                         kAlreadyExists
//   foreign key                                 kNotFound: a row that is named does not exist
//   no permission, read-only                    kPermissionDenied
//   too long a value                            kInvalidArgument
//   cancelled by sqlite3_interrupt              kCancelled
//   everything else                             kInternal
// `system_error` is the errno of the failed call, or 0. `doing` names the place; `text` is SQLite's own message.
absl::Status StatusFromCode(int extended_code, int system_error, std::string_view doing, std::string_view text);

// The same for the last failure of `db`, whose code `extended_code` is.
absl::Status StatusFromDatabase(sqlite3* db, int extended_code, std::string_view doing);

}  // namespace dmfrag::storage::sqlite

#endif  // DMFRAG_STORAGE_SQLITE_RESULT_CODE_H_
