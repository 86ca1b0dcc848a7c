#!/bin/sh
# Writes migrations.cc on standard output from the SQL files named as arguments, in order: <version>_<name>.sql.
set -eu
echo '#include "storage/schema/migrations.h"'
echo 'namespace dmfrag::storage {'
echo 'namespace {'
echo 'constexpr Migration kMigrations[] = {'
expected=1
for file in "$@"; do
  name=$(basename "$file")
  version=$(printf '%s' "${name%%_*}" | sed 's/^0*//')
  if [ "$version" != "$expected" ]; then
    echo "$name: expected version $expected; number the files without gaps and list them in order" >&2
    exit 1
  fi
  printf '{%s, R"sql(' "$version"
  cat "$file"
  printf ')sql"},\n'
  expected=$((expected + 1))
done
echo '};'
echo '}  // namespace'
echo 'std::span<const Migration> Migrations() { return kMigrations; }'
echo '}  // namespace dmfrag::storage'
