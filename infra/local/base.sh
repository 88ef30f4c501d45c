#!/usr/bin/env bash
# Makes the two images that the others are built from where no registry is reachable: recstack-local/base, Debian with Python
# 3.11 from Debian's packages, and recstack-local/wheels, the wheels of the folder WHEELHOUSE. Needs root and debootstrap.
set -euo pipefail

readonly BASE=recstack-local/base WHEELS=recstack-local/wheels
here=$(dirname "${BASH_SOURCE[0]}")

if ! docker image inspect "$BASE" >/dev/null 2>&1; then
    command -v debootstrap >/dev/null || { echo "LOCAL_IMAGES=1 needs debootstrap: apt-get install debootstrap" >&2; exit 1; }
    [[ $(id -u) == 0 ]] || { echo "LOCAL_IMAGES=1 needs root: debootstrap makes device files" >&2; exit 1; }
    mirror=$("$here/debian_mirror.sh")
    echo "making $BASE from ${mirror:-Debian}"
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    debootstrap --variant=minbase --include=ca-certificates,curl,python3,python3-venv bookworm "$root" $mirror >/dev/null
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    tar --directory "$root" --create . | docker import - "$BASE" >/dev/null
fi

folder=${WHEELHOUSE:-$here/wheels}
shopt -s nullglob
wheels=("$folder"/*.whl)
sum=$(stat --format '%n %s %Y' "$folder" "${wheels[@]}" 2>/dev/null | sha256sum || true)
if [[ $(docker image inspect --format '{{ index .Config.Labels "wheels" }}' "$WHEELS" 2>/dev/null) != "$sum" ]]; then
    contents=(--files-from /dev/null)
    ((${#wheels[@]})) && contents=(--directory "$folder" "${wheels[@]##*/}")
    tar --create "${contents[@]}" | docker import --change "LABEL wheels=\"$sum\"" - "$WHEELS" >/dev/null
fi
