#!/usr/bin/env bash
# docker compose with the files, profiles and settings of this deployment: infra/compose.sh ps, logs, exec worker bash, …
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ -e .env ]] || { echo "there is no deployment here yet: make deploy" >&2; exit 1; }
files=(--file infra/compose.yaml)
profiles=(--profile monitoring)
if grep -qs '^LOCAL_IMAGES=1$' .env; then
    files+=(--file infra/compose.local.yaml)
    export BASE_IMAGE=recstack-local/base WHEELHOUSE_IMAGE=recstack-local/wheels TORCH_INDEX="${TORCH_INDEX:-}"
else
    profiles+=(--profile grafana)
fi
if grep -qs '^GPU=1$' .env; then files+=(--file infra/compose.gpu.yaml); fi
exec docker compose --env-file .env "${files[@]}" "${profiles[@]}" "$@"
