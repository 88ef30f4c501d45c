#!/usr/bin/env bash
# make deploy: the whole stack up, a first model in service, and where everything is. Run again, it changes what has changed.
#   DATASET, DATA: what to learn from; default MovieLens-100K.   LOCAL_IMAGES=1: without a registry, see infra/local.
#   GPU=1: with the machine's GPUs.   SITE_CA: a site's own certificates, for the builds.   WHEELHOUSE: folder of wheels.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }
keep() { # a choice of this call is kept for the next commands
    touch .env && chmod 600 .env
    sed -i "/^$1=/d" .env
    printf '%s=%s\n' "$1" "$2" >>.env
}

infra/preflight.sh
infra/secrets.sh
for name in LOCAL_IMAGES GPU SITE_CA WHEELHOUSE SPARK_WORKERS; do
    if [[ -n ${!name:-} ]]; then keep "$name" "${!name}"; fi
done
keep DATASET "${DATASET:-movielens_100k}"
if [[ -n ${DATA:-} ]]; then keep DATA_FOLDER "$(realpath "$DATA")"; fi

say "images"
if grep -q '^LOCAL_IMAGES=1$' .env; then
    WHEELHOUSE=$(sed -n 's/^WHEELHOUSE=//p' .env) infra/local/base.sh
fi
infra/compose.sh build --quiet

say "services"
infra/compose.sh up --detach --wait --wait-timeout 600 --remove-orphans

say "pipeline"
infra/compose.sh exec -T worker python -m flows.operations.follow

say "answers"
infra/compose.sh exec -T worker python -m recstack.cli ask

say "running"
infra/urls.sh
