#ifndef DMFRAG_STORAGE_SQLITE_SQL_UINT64_H_
#define DMFRAG_STORAGE_SQLITE_SQL_UINT64_H_

#include <bit>
#include <cstdint>

namespace dmfrag::storage::sqlite {

// SQLite's integers are signed. Seeds and fences use all 64 bits: they are stored with their bits unchanged, so their
// order in SQL is not their order as numbers.
constexpr int64_t ToSqlInteger(uint64_t value) { return std::bit_cast<int64_t>(value); }
constexpr uint64_t FromSqlInteger(int64_t value) { return std::bit_cast<uint64_t>(value); }

}  // namespace dmfrag::storage::sqlite

#endif  // DMFRAG_STORAGE_SQLITE_SQL_UINT64_H_
