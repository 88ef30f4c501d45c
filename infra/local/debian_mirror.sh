#!/usr/bin/env bash
# Prints the Debian mirror that this machine uses: DEBIAN_MIRROR, else apt's for bookworm; nothing if apt has none.
set -euo pipefail

if [[ -n ${DEBIAN_MIRROR:-} ]]; then
    echo "$DEBIAN_MIRROR"
elif command -v apt-get >/dev/null; then
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' | awk '$1 == "bookworm" && !found++ { print $2 }'
fi
