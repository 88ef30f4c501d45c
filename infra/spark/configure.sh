#!/usr/bin/env bash
# Copies Spark's configuration to SPARK_CONF_DIR, which lies in memory, and adds the deployment's secret.
set -euo pipefail

umask 077
mkdir -p "$SPARK_CONF_DIR"
cp /opt/spark-conf/* "$SPARK_CONF_DIR"
printf 'spark.authenticate.secret %s\n' "$SPARK_SECRET" >>"$SPARK_CONF_DIR/spark-defaults.conf"
