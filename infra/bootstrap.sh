#!/usr/bin/env bash
# Makes .venv hold exactly the versions of requirements.lock; does nothing when it does already.
# PIP_FIND_LINKS: folder or page with more wheels. TORCH_INDEX: one more package index, for a torch without CUDA.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly UV_VERSION=0.13.9
readonly STAMP=.venv/recstack.stamp UNFINISHED=.venv/recstack.unfinished

say() { printf 'bootstrap: %s\n' "$*" >&2; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3.11}" python3; do
        # The version is asked, not read from the name: version managers leave shims that cannot run.
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    say "Python 3.11 with its venv module is needed; neither ${PYTHON:-python3.11} nor python3 is one."
    say "Debian 12: apt-get install python3.11-venv · elsewhere: https://docs.astral.sh/uv/guides/install-python"
    say "If it has another name or place: make PYTHON=/path/to/python3.11 …"
    return 1
}

digest() { { cat requirements.lock pyproject.toml infra/bootstrap.sh; pwd; echo "${TORCH_INDEX:-}"; } | sha256sum; }

stands() { [[ -f $STAMP && "$(<"$STAMP")" == "$(digest)" ]]; }

stands && exit 0
exec 9<infra/bootstrap.sh
flock 9 # another make may be installing; its .venv must not be taken for one that was killed
stands && exit 0

# An install that was killed may leave half a package; all wheels are in uv's cache by then, so starting anew is cheap.
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

options=(--python .venv/bin/python --quiet)
[[ -n ${PIP_FIND_LINKS:-} ]] && options+=(--find-links "$PIP_FIND_LINKS") # uv does not read it by itself
# The index of torch also holds old versions of other packages; without this uv would look no further for those.
[[ -n ${TORCH_INDEX:-} ]] && options+=(--extra-index-url "$TORCH_INDEX" --index-strategy unsafe-best-match)

say "installing $(grep -c == requirements.lock) packages into .venv; the first time takes minutes"
.venv/bin/uv pip install "${options[@]}" --requirement requirements.lock
.venv/bin/uv pip install "${options[@]}" --no-deps --editable .
rm "$UNFINISHED"
digest >"$STAMP"
say "done"
