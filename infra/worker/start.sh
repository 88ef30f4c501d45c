#!/usr/bin/env bash
# A Prefect worker: registers the deployments of prefect.yaml, then runs what is scheduled.
set -euo pipefail

# Datasets are downloaded with the certificates of the site where it has its own.
if [[ -s /run/site-ca ]]; then export SSL_CERT_FILE=/run/site-ca PIP_CERT=/run/site-ca; fi
mkdir -p /var/lib/recstack/spark-events
source authenticate-spark
prefect work-pool inspect recstack >/dev/null 2>&1 || prefect work-pool create recstack --type process
prefect --no-prompt deploy --all
python -m flows.operations.recovery
exec prefect worker start --pool recstack --type process --name "worker-$(hostname)" --with-healthcheck
