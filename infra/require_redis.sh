#!/usr/bin/env bash
# The tests run a real Redis: find its server, install it where that is ours to do, or say how.
set -euo pipefail

command -v redis-server >/dev/null && exit 0
if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "Redis is missing: installing redis-server"
    apt-get update -qq
    # The tests start servers of their own: no service is to listen on the usual port.
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends redis-server >/dev/null
    exit 0
fi
echo "The tests need redis-server. Install it, e.g.: sudo apt-get install redis-server" >&2
exit 1
