#!/usr/bin/env bash
# Removes the deployment with its data: containers, volumes, networks, and the images that were built for it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ ${YES:-} != 1 ]]; then
    read -r -p "This removes all data of the deployment: features, models, runs. Type its name, recstack, to go on: " name
    [[ $name == recstack ]] || { echo "nothing was removed"; exit 1; }
fi
if grep -qs '^POSTGRES_PASSWORD=' .env; then
    project=$(infra/compose.sh config --format json | python3 -c 'import json, sys; print(json.load(sys.stdin)["name"])')
    infra/compose.sh down --volumes --remove-orphans
else # it was made in another folder; Docker knows what belongs to it
    named=$({ sed -n 's/^COMPOSE_PROJECT_NAME=//p' .env 2>/dev/null || true; } | tail -n 1)
    project=${COMPOSE_PROJECT_NAME:-${named:-recstack}}
    docker compose --project-name "$project" down --volumes --remove-orphans
fi
# Those of this deployment alone: another one on this machine keeps its own. Some have lost their name to a later build.
images=$(docker images --quiet --filter "label=com.docker.compose.project=$project" | sort -u)
[[ -z $images ]] || xargs docker rmi --force <<<"$images" >/dev/null
# What all deployments of this machine are built from has no label.
if [[ -z $(docker images --quiet --filter label=com.docker.compose.project --filter 'reference=recstack*/*') ]]; then
    images=$(docker images --quiet --filter 'reference=recstack-local/*')
    [[ -z $images ]] || xargs docker rmi --force <<<"$images" >/dev/null
fi
echo "Removed.$([[ ! -e .env ]] || echo " .env keeps its secrets; a new deployment takes them again.")"
