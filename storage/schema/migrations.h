#ifndef DMFRAG_STORAGE_SCHEMA_MIGRATIONS_H_
#define DMFRAG_STORAGE_SCHEMA_MIGRATIONS_H_

#include <span>

namespace dmfrag::storage {

// One step of the schema: the text of storage/schema/<version>_<name>.sql. A released file never changes.
struct Migration {
  int version;      // the user_version it leads to, from 1
  const char* sql;  // statements, without transaction
};

// All of them, in order; element i leads to version i + 1.
std::span<const Migration> Migrations();

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_SCHEMA_MIGRATIONS_H_
