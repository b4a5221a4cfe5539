#!/usr/bin/env bash
# Makes .venv with everything penstock needs, from the lock file. Quick when nothing has changed.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    printf 'error: %s\n  → %s\n' "$1" "$2" >&2
    exit 1
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    fail "There is no Python 3.11 or newer on this machine." \
        "Install one (Debian, Ubuntu: apt-get install python3 python3-venv), or say PYTHON=/path/to/python3."
}

# uv of its own, where the machine has none: in .cache/uv, made with Python's venv, else with pip.
find_uv() {
    local home=.cache/uv log=.cache/setup.log
    if uv --version >/dev/null 2>&1; then
        command -v uv
        return
    fi
    if [ ! -x "$home/bin/uv" ]; then
        mkdir -p .cache
        if "$1" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "Fetching uv into $home…" >&2
            { "$1" -m venv "$home" && "$home/bin/python" -m pip install -q uv; } >"$log" 2>&1 ||
                fail "uv could not be fetched: $(tail -n 1 "$log")" "See $log; is the package index reachable?"
        elif "$1" -m pip --version >/dev/null 2>&1; then
            echo "Fetching uv into $home…" >&2
            "$1" -m pip install -q --prefix "$home" --ignore-installed uv >"$log" 2>&1 ||
                fail "uv could not be fetched: $(tail -n 1 "$log")" "See $log; is the package index reachable?"
        else
            fail "This Python ($1) can neither make environments (ensurepip is missing) nor run pip." \
                "Debian, Ubuntu: apt-get install python3-venv. Or install uv: https://docs.astral.sh/uv/"
        fi
    fi
    [ -x "$home/bin/uv" ] || fail "uv is not where it was installed ($home/bin)." "Remove .cache and try again."
    echo "$PWD/$home/bin/uv"
}

python=$(find_python)
uv=$(find_uv "$python")
# The Python of an environment that is there stays: switching it would build everything again.
if [ -z "${UV_PYTHON:-}" ] && [ ! -x .venv/bin/python ]; then
    export UV_PYTHON=$python
fi
if ! "$uv" sync --quiet --locked --all-extras; then
    fail "The environment .venv could not be made." \
        "See above; after a change of pyproject.toml, run: uv lock"
fi
