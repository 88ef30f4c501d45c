#!/usr/bin/env bash
# make deploy: starts the whole stack, puts a first model into service, and prints the addresses. A second run updates it.
#   DATASET, DATA: what to learn from; default MovieLens-100K.   LOCAL_IMAGES=1: without a registry, see infra/local.
#   GPU=1: with the machine's GPUs.   SITE_CA: a site's own certificates, for the builds.   WHEELHOUSE: folder of wheels.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }
with_progress() { # runs a command, and prints every 30 s that it still runs
    local what=$1 start=$SECONDS
    shift
    while sleep 30 >/dev/null 2>&1; do printf '  %s: %d s\n' "$what" $((SECONDS - start)); done &
    ticker=$!
    "$@"
    kill "$ticker"
}
trap 'kill ${ticker:-} 2>/dev/null || true' EXIT
remember() { # a choice of this call holds for the next commands too
    touch .env && chmod 600 .env
    sed -i "/^$1=/d" .env
    printf '%s=%s\n' "$1" "$2" >>.env
}

infra/preflight.sh
infra/secrets.sh
for name in LOCAL_IMAGES GPU SITE_CA WHEELHOUSE SPARK_WORKERS; do
    if [[ -n ${!name:-} ]]; then remember "$name" "${!name}"; fi
done
remember DATASET "${DATASET:-movielens_100k}"
if [[ -n ${DATA:-} ]]; then remember DATA_FOLDER "$(realpath "$DATA")"; fi

step "images"
if grep -q '^LOCAL_IMAGES=1$' .env; then
    WHEELHOUSE=$(sed -n 's/^WHEELHOUSE=//p' .env) with_progress "making the base image" infra/local/base.sh
fi
with_progress "building images" infra/compose.sh build --quiet

step "services"
infra/compose.sh up --detach --wait --wait-timeout 300 postgres
infra/compose.sh exec -T postgres bash /docker-entrypoint-initdb.d/databases.sh >/dev/null # those that came since
infra/compose.sh up --detach --wait --wait-timeout 600 --remove-orphans

step "pipeline"
infra/compose.sh exec -T worker python -m flows.operations.follow

step "answers"
infra/compose.sh exec -T worker python -m recstack.cli ask

step "running"
infra/urls.sh
