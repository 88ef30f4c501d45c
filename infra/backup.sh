#!/usr/bin/env bash
# Backs up Postgres, Redis, the object store and the files of the worker while the stack answers; leaves no partial backup.
# No flow run writes meanwhile (flows/operations/quiet.py), so that the copies, made one after the other, belong together.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${1:-backups/$(date -u +%Y%m%dT%H%M%SZ)}
[[ ! -e $target ]] || { echo "backup: $target exists already" >&2; exit 1; }
draft=$target.unfinished
rm -rf "$draft" # of a backup that was killed
umask 077
mkdir -p "$draft"

coproc QUIET { exec infra/compose.sh exec -T worker python -m flows.operations.quiet; }
quiet=$QUIET_PID
end_quiet() { # its standard input ends, also if this script is killed
    exec {QUIET[1]}>&-
    wait "$quiet"
}
trap 'rm -rf "$draft"; infra/compose.sh unpause objectstore >/dev/null 2>&1 || true' EXIT
read -r -u "${QUIET[0]}" answer || true
[[ ${answer:-} == quiet ]] || { echo "backup: the deployment could not be kept quiet; nothing was backed up" >&2; exit 1; }

for database in prefect mlflow mlflow_auth feast; do
    infra/compose.sh exec -T postgres pg_dump --username postgres --format custom "$database" >"$draft/$database.dump"
done
infra/compose.sh exec -T redis redis-cli --rdb /tmp/dump.rdb >/dev/null
infra/compose.sh exec -T redis cat /tmp/dump.rdb >"$draft/redis.rdb"
infra/compose.sh exec -T redis rm /tmp/dump.rdb
infra/compose.sh exec -T worker tar --create --directory / var/lib/recstack model_store >"$draft/state.tar"
# The object store compacts its files by itself: it stands still while they are read.
infra/compose.sh pause objectstore
infra/compose.sh run --rm --no-deps -T --entrypoint tar objectstore --create --directory /data . >"$draft/objectstore.tar"
infra/compose.sh unpause objectstore
end_quiet
mv "$draft" "$target"
echo "$target: $(du --summarize --human-readable "$target" | cut -f 1)"
