#!/bin/sh
# Exactly one place of the program's sources asks SQLite for a read-write connection, and exactly one calls it.
set -eu
cd storage/sqlite
sources=$(ls *.cc *.h | grep -v '_test\.cc$')
expect() { # pattern, count, where
  found=$(grep -n "$1" $sources || true)
  count=$(printf '%s' "$found" | grep -c . || true)
  if [ "$count" != "$2" ]; then
    echo "expected $2 of '$1' ($3), found $count:" >&2
    echo "$found" >&2
    exit 1
  fi
}
expect 'SQLITE_OPEN_READWRITE' 1 'in Database::OpenReadWrite'
expect 'Database::OpenReadWrite(path' 1 'the call, in OpenSqliteStore'
expect '[^:]OpenReadWrite(const' 1 'the declaration'
expect 'OpenReadWrite(' 3 'declaration, definition, call'
expect 'sqlite3_open' 1 'in Database::Open'
