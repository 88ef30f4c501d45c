#!/bin/sh
# Starts Redis with passwords and limits from its environment, by a file that only Redis may read: as arguments every user
# of the host could read them in the list of processes. The user `reader` may read rows, no more; TorchServe has it.
set -eu

configuration=${1:-/usr/local/etc/redis.conf}
complete=$(mktemp) # mode 600
{
    cat "$configuration"
    printf 'requirepass %s\n' "$REDIS_PASSWORD"
    printf 'user reader on >%s ~* resetchannels -@all +@read -@dangerous +@connection\n' "$REDIS_READER_PASSWORD"
    # Rows get three quarters of the container's memory; the rest is for rewriting the append-only file and for clients.
    printf 'maxmemory %dmb\n' "$((REDIS_MEMORY * 3 / 4))"
} >"$complete"
exec redis-server "$complete"
