#!/bin/sh
# Runs a pytest file as a Bazel test; Debian's own python3, which sees Debian's modules.
exec /usr/bin/python3 -m pytest -q -p no:cacheprovider --rootdir . --junitxml "$XML_OUTPUT_FILE" "$@"
