#!/usr/bin/env bash
# Checks what a deployment needs before anything starts, and prints all that is missing at once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly MEMORY_GIB=8 COMPOSE=2.20
readonly DISK_GIB=12 DISK_GIB_AGAIN=3 # images and first volumes take 9; with the images there, a build adds little

fail() { printf 'deploy: %s\n' "$*" >&2; exit 1; }
wrong=()

command -v docker >/dev/null || fail "Docker is missing. Install Docker Engine with the Compose plugin: https://docs.docker.com/engine/install"
docker info >/dev/null 2>&1 || fail "no Docker Engine answers: start it (systemctl start docker), or join the group docker"
version=$(docker compose version --short 2>/dev/null) || fail "the Compose plugin is missing: install docker-compose-plugin"
[[ $(printf '%s\n' "$COMPOSE" "${version#v}" | sort -V | head -n 1) == "$COMPOSE" ]] ||
    wrong+=("Compose $version is too old: $COMPOSE or newer is needed")

memory=$(($(docker info --format '{{.MemTotal}}') / 1024 ** 3))
((memory >= MEMORY_GIB)) || wrong+=("$memory GiB of memory: the stack needs $MEMORY_GIB")
folder=$(docker info --format '{{.DockerRootDir}}')
if [[ -d $folder ]]; then
    disk=$(($(df --output=avail --block-size=1 "$folder" | tail -n 1) / 1024 ** 3))
    need=$DISK_GIB
    if docker image inspect recstack/worker >/dev/null 2>&1; then need=$DISK_GIB_AGAIN; fi
    ((disk >= need)) || wrong+=("$disk GiB free in $folder: images and volumes need $need ('docker builder prune' may free some)")
fi

# A port that a container of this deployment holds is free for it.
setting() { local value; value=$(sed -n "s/^$1=//p" .env 2>/dev/null | tail -n 1); echo "${!1:-${value:-$2}}"; }
project=$(setting COMPOSE_PROJECT_NAME recstack)
own_ports=$(docker ps --filter "label=com.docker.compose.project=$project" --format '{{.Ports}}')
for entry in TORCHSERVE:8080 PREFECT:4200 MLFLOW:5000 FEAST:6566 FEAST_UI:8888 SPARK:8088 PROMETHEUS:9090 GRAFANA:3000; do
    name=${entry%:*}_PORT
    port=$(setting "$name" "${entry#*:}")
    [[ $own_ports == *127.0.0.1:$port-\>* ]] && continue
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        wrong+=("port $port is taken by another program: stop it, or put $name=<a free port> into .env")
    fi
done

# The passwords of a volume's data are those of the .env that it was made with.
if [[ -z $(setting POSTGRES_PASSWORD "") && -n $(docker volume ls --quiet --filter "label=com.docker.compose.project=$project") ]]; then
    wrong+=("a deployment called $project is on this machine, and its passwords are not: copy the .env of its folder to $PWD,
  or remove it with its data (make destroy), or put COMPOSE_PROJECT_NAME=<another name> into .env")
fi

((${#wrong[@]} == 0)) || { printf 'deploy: %s\n' "${wrong[@]}" >&2; exit 1; }
