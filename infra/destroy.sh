#!/usr/bin/env bash
# Removes the deployment with its data: containers, volumes, networks, and the images that were built for it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ ${YES:-} != 1 ]]; then
    read -r -p "This removes all data of the deployment: features, models, runs. Type its name, recstack, to go on: " name
    [[ $name == recstack ]] || { echo "nothing was removed"; exit 1; }
fi
infra/compose.sh down --volumes --remove-orphans --rmi local
# Also those that a later build took the name from.
images=$(
    {
        docker images --quiet --filter 'reference=recstack/*' --filter 'reference=recstack-local/*'
        docker images --quiet --filter dangling=true --filter label=com.docker.compose.project
    } | sort -u
)
[[ -z $images ]] || xargs docker rmi --force <<<"$images" >/dev/null
echo "Removed. .env keeps its secrets; a new deployment takes them again."
