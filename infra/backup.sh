#!/usr/bin/env bash
# Backs up Postgres, Redis, the object store and the files of the worker while the stack runs; leaves no partial backup.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${1:-backups/$(date -u +%Y%m%dT%H%M%SZ)}
[[ ! -e $target ]] || { echo "backup: $target exists already" >&2; exit 1; }
draft=$target.unfinished
rm -rf "$draft"
umask 077
mkdir -p "$draft"
for database in prefect mlflow mlflow_auth feast; do
    infra/compose.sh exec -T postgres pg_dump --username postgres --format custom "$database" >"$draft/$database.dump"
done
infra/compose.sh exec -T redis redis-cli --rdb /tmp/dump.rdb >/dev/null
infra/compose.sh exec -T redis cat /tmp/dump.rdb >"$draft/redis.rdb"
infra/compose.sh exec -T redis rm /tmp/dump.rdb
infra/compose.sh exec -T worker tar --create --directory / var/lib/recstack model_store >"$draft/state.tar"
infra/compose.sh exec -T objectstore tar --create --directory /data . >"$draft/objectstore.tar"
mv "$draft" "$target"
echo "$target: $(du --summarize --human-readable "$target" | cut -f 1)"
