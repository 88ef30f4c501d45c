#!/usr/bin/env bash
# Succeeds if redis-server is installed, which the tests start; as root on Debian it installs it.
set -euo pipefail

command -v redis-server >/dev/null && exit 0
if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "Redis is missing: installing redis-server"
    apt-get update -qq
    # RUNLEVEL=1: the package starts no service. The tests start servers of their own.
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends redis-server >/dev/null
    exit 0
fi
echo "The tests need redis-server. Install it, e.g.: sudo apt-get install redis-server" >&2
exit 1
