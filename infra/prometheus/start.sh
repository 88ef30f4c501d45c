#!/bin/sh
# Prometheus reads passwords from files only: Prefect's is written from the environment to a file system in memory.
set -eu

umask 077
printf %s "$PREFECT_PASSWORD" >/tmp/prefect_password
exec prometheus --config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/prometheus --storage.tsdb.retention.time=15d
