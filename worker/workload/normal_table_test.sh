#!/usr/bin/env bash
# The committed table is what its script makes.
set -euo pipefail
python3 worker/workload/normal_table.py | cmp - worker/workload/normal_table.h
