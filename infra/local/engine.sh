#!/usr/bin/env bash
# Installs and starts Docker Engine with Compose and buildx if they are missing. For CI machines: root on Debian bookworm.
set -euo pipefail

if docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then exit 0; fi
[[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || { echo "install Docker Engine: https://docs.docker.com/engine/install" >&2; exit 1; }

missing=()
command -v dockerd >/dev/null || missing+=(docker.io iptables)
command -v debootstrap >/dev/null || missing+=(debootstrap)
if ((${#missing[@]})); then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if ! docker compose version >/dev/null 2>&1; then
    # Bookworm's Compose is too old; the next release's plugins are single files that run here.
    mirror=$("$(dirname "${BASH_SOURCE[0]}")/debian_mirror.sh")
    [[ -n $mirror ]] || { echo "apt has no source for bookworm: set DEBIAN_MIRROR" >&2; exit 1; }
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work"/{lists/partial,cache/archives/partial,deb,root}
    chmod -R a+rwX "$work"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$work/sources.list"
    apt=(apt-get -qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists"
        -o "Dir::Cache=$work/cache" -o Dir::State::status=/dev/null)
    "${apt[@]}" update
    (cd "$work/deb" && "${apt[@]}" download docker-compose docker-buildx)
    for package in "$work"/deb/*.deb; do dpkg-deb -x "$package" "$work/root"; done
    mkdir -p ~/.docker/cli-plugins
    cp "$work"/root/usr/libexec/docker/cli-plugins/* ~/.docker/cli-plugins/
fi

if ! docker info >/dev/null 2>&1; then
    nohup dockerd >/var/log/dockerd.log 2>&1 &
    for _ in {1..60}; do
        docker info >/dev/null 2>&1 && exit 0
        sleep 1
    done
    echo "dockerd does not answer; /var/log/dockerd.log ends with:" >&2
    tail -n 20 /var/log/dockerd.log >&2
    exit 1
fi
