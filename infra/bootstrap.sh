#!/usr/bin/env bash
# Installs exactly the versions of requirements.lock into .venv; does nothing if they are installed already.
# Packages come from the indexes that pip is configured with. TORCH_BACKEND=cpu: a torch without CUDA, some GB less.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly UV_VERSION=0.13.9
readonly STAMP=.venv/recstack.stamp UNFINISHED=.venv/recstack.unfinished

say() { printf 'bootstrap: %s\n' "$*" >&2; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3.11}" python3; do
        # A name proves nothing: version managers leave scripts of this name that do not run.
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    say "Python 3.11 with its venv module is needed; neither ${PYTHON:-python3.11} nor python3 is one."
    say "Debian 12: apt-get install python3.11-venv · elsewhere: https://docs.astral.sh/uv/guides/install-python"
    say "If it has another name: make PYTHON=/path/to/python3.11 …"
    return 1
}

digest() { { cat requirements.lock pyproject.toml infra/bootstrap.sh; pwd; echo "${TORCH_BACKEND:-}"; } | sha256sum; }

is_complete() { [[ -f $STAMP && "$(<"$STAMP")" == "$(digest)" ]]; }

is_complete && exit 0
exec 9<infra/bootstrap.sh
flock 9 # another make may be installing: its unfinished .venv must not be removed as one that was killed
is_complete && exit 0

# An install that was killed may leave half a package. uv's cache has the wheels, so a new start is cheap.
if [[ -e $UNFINISHED ]]; then
    say "the last install did not finish; starting again"
    rm -rf .venv
fi
python=$(find_python)
[[ -x .venv/bin/python ]] && .venv/bin/python -c '' 2>/dev/null || { rm -rf .venv; mkdir .venv; }
rm -f "$STAMP"
touch "$UNFINISHED"
if [[ "$(.venv/bin/uv --version 2>/dev/null)" != "uv $UV_VERSION"* ]]; then
    say "making .venv with $("$python" --version)"
    "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
fi

. infra/package_index.sh
options=(--python .venv/bin/python --quiet --compile-bytecode) # or each process compiles what it imports, if it may not write
[[ -n ${TORCH_BACKEND:-} ]] && options+=(--torch-backend "$TORCH_BACKEND")

say "installing $(grep -c == requirements.lock) packages into .venv; the first time takes minutes"
.venv/bin/uv pip install "${options[@]}" --requirement requirements.lock
.venv/bin/uv pip install "${options[@]}" --no-deps --editable .
rm "$UNFINISHED"
digest >"$STAMP"
say "done"
