#!/usr/bin/env bash
# Writes requirements.lock from pyproject.toml: every version, the same for all machines.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

options=(--quiet --extra dev --python-version 3.11 --no-emit-find-links --no-emit-index-url)
[[ -n ${PIP_FIND_LINKS:-} ]] && options+=(--find-links "$PIP_FIND_LINKS")
[[ -n ${UPGRADE:-} ]] && options+=(--upgrade)
UV_CUSTOM_COMPILE_COMMAND="make lock" .venv/bin/uv pip compile "${options[@]}" pyproject.toml --output-file requirements.lock
# Torch comes in builds: the version is locked, the build ("+cpu") and the CUDA packages that it pins are left to each machine.
sed -i -E 's/^(torch==[0-9.]+)\+[a-z0-9]+/\1/' requirements.lock
awk '/^[a-z]/ { drop = /^(cuda|nvidia)-|^triton==/ } !drop' requirements.lock >requirements.lock.new
mv requirements.lock.new requirements.lock
