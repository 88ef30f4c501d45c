#!/usr/bin/env bash
# install-packages NAME…: Debian packages, none of which starts a service; install-packages --pip NAME…: into /opt/venv.
set -euo pipefail

if [[ -s /run/secrets/ca ]]; then
    export SSL_CERT_FILE=/run/secrets/ca PIP_CERT=/run/secrets/ca
fi
if [[ -s /run/secrets/index ]]; then
    PIP_INDEX_URL=$(</run/secrets/index)
    export PIP_INDEX_URL
fi
if [[ $1 == --pip ]]; then
    [[ -d /opt/venv ]] || python3 -m venv /opt/venv
    exec /opt/venv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check "${@:2}"
fi
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
apt-get update -qq
mkdir -p /usr/share/man/man1 /usr/share/man/man7
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
rm -rf /var/lib/apt/lists/*
