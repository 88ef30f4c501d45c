#!/usr/bin/env bash
# Does what the upstream image does: initialises an empty volume, runs the scripts for it, then serves.
set -euo pipefail

if [[ ! -s $PGDATA/PG_VERSION ]]; then
    initdb --username postgres --pwfile <(printf '%s' "$POSTGRES_PASSWORD") ${POSTGRES_INITDB_ARGS:-} >/dev/null
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    pg_ctl --wait --options "-c listen_addresses=''" start >/dev/null
    for script in /docker-entrypoint-initdb.d/*.sh; do POSTGRES_USER=postgres bash "$script"; done
    pg_ctl --wait stop >/dev/null
fi
exec postgres -c listen_addresses='*'
