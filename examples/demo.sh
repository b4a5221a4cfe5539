#!/usr/bin/env bash
# The main job on real data: a connector from PyPI and a CSV file, into one DuckDB file.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p demo
export PENSTOCK_HOME=$PWD/demo/home
out=demo/demo.duckdb

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() {
    printf '$ %s\n' "$*"
    "$@"
}

say "1. An Airbyte connector from PyPI, in an environment of its own"
run penstock sync source-faker@7.2.1 duckdb --source.count 1000 --destination.path "$out" \
    --namespace faker

say "2. A CSV file"
run penstock sync file duckdb --source.path examples/health_visits.csv \
    --destination.path "$out" --namespace files

say "3. The proof stays: rows read = sent = committed"
run penstock receipt --all

say "4. The first rows of each table in $out"
python "$PWD/examples/show_tables.py" "$out"
