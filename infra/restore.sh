#!/usr/bin/env bash
# Restores a backup of backup.sh; it replaces everything that the deployment holds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

source=${1:?name a backup: make restore BACKUP=backups/<time>}
for file in prefect.dump mlflow.dump mlflow_auth.dump feast.dump redis.rdb state.tar objectstore.tar; do
    [[ -s $source/$file ]] || { echo "restore: $source/$file is missing or empty; nothing was changed" >&2; exit 1; }
done
into() { infra/compose.sh run --rm --no-deps -T --entrypoint sh "$1" -c "$2"; }

infra/compose.sh up --detach --wait postgres
infra/compose.sh stop worker prefect mlflow feast feast-ui torchserve redis objectstore
for database in prefect mlflow mlflow_auth feast; do
    infra/compose.sh exec -T postgres pg_restore --username postgres --clean --if-exists --dbname "$database" <"$source/$database.dump"
done
# With an append-only file Redis ignores the snapshot: it is started once without one, loads it, and writes a new file.
into redis 'unset REDISCLI_AUTH; rm -rf /data/* && cat >/data/dump.rdb && redis-server --dir /data --save "" --daemonize yes >/dev/null &&
    until redis-cli ping 2>/dev/null | grep -q PONG; do sleep 0.2; done && redis-cli config set appendonly yes >/dev/null &&
    until redis-cli info persistence | grep -q "aof_rewrite_in_progress:0"; do sleep 0.2; done && redis-cli shutdown' <"$source/redis.rdb"
into objectstore 'find /data -mindepth 1 -delete && tar --extract --directory /data' <"$source/objectstore.tar"
into worker 'rm -rf /var/lib/recstack/* /model_store/*; tar --extract --directory / --no-overwrite-dir' <"$source/state.tar"
infra/compose.sh up --detach --wait --wait-timeout 600
infra/compose.sh exec -T worker prefect work-pool resume recstack >/dev/null # a backup is made while it is paused
echo "restored from $source"
