#!/usr/bin/env bash
# docker compose with the files, profiles and settings of this deployment: infra/compose.sh ps, logs, exec worker bash, …
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ -e .env ]] || { echo "there is no deployment here yet: make deploy" >&2; exit 1; }
# Builds take packages from the index that this machine uses; a secret, because its address may hold a password.
pip_conf=(~/.config/pip/pip.conf ~/.pip/pip.conf /etc/pip.conf)
PACKAGE_INDEX=${PIP_INDEX_URL:-$({ sed -n 's/^index-url *= *//p' "${pip_conf[@]}" 2>/dev/null || true; } | head -n 1)}
export PACKAGE_INDEX

files=(--file infra/compose.yaml)
profiles=(--profile monitoring)
if grep -qs '^LOCAL_IMAGES=1$' .env; then
    files+=(--file infra/compose.local.yaml)
    export BASE_IMAGE=recstack-local/base WHEELHOUSE_IMAGE=recstack-local/wheels TORCH_BACKEND=""
else
    profiles+=(--profile grafana)
fi
if grep -qs '^GPU=1$' .env; then files+=(--file infra/compose.gpu.yaml); fi
exec docker compose --env-file .env "${files[@]}" "${profiles[@]}" "$@"
