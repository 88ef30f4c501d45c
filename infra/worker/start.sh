#!/usr/bin/env bash
# A Prefect worker: registers the deployments of prefect.yaml, then runs what is scheduled.
set -euo pipefail

mkdir -p /var/lib/recstack/spark-events
prefect work-pool inspect recstack >/dev/null 2>&1 || prefect work-pool create recstack --type process
prefect --no-prompt deploy --all
python -m flows.recovery
exec prefect worker start --pool recstack --type process --name "worker-$(hostname)" --with-healthcheck
