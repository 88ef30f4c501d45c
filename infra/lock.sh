#!/usr/bin/env bash
# Writes requirements.lock from pyproject.toml: the version of every package, the same for all machines.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

options=(--quiet --extra dev --python-version 3.11 --no-emit-find-links --no-emit-index-url)
. infra/package_index.sh
[[ -n ${UPGRADE:-} ]] && options+=(--upgrade)
UV_CUSTOM_COMPILE_COMMAND="make lock" .venv/bin/uv pip compile "${options[@]}" pyproject.toml --output-file requirements.lock
# The lock holds torch's version; each machine chooses its build ("+cpu") and with it the CUDA packages.
sed -i -E 's/^(torch==[0-9.]+)\+[a-z0-9]+/\1/' requirements.lock
awk '/^[a-z]/ { drop = /^(cuda|nvidia)-|^triton==/ } !drop' requirements.lock >requirements.lock.new
mv requirements.lock.new requirements.lock
