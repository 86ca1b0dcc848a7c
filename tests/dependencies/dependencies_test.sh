#!/bin/sh
# The first file must have lines; the others, results of queries for forbidden dependencies, must not.
set -eu
[ -s "$1" ] || { echo "the control query found nothing: the patterns are wrong"; exit 1; }
shift
bad=0
for result in "$@"; do
  [ ! -s "$result" ] && continue
  echo "forbidden: $(basename "$result")"
  cat "$result"
  bad=1
done
exit "$bad"
