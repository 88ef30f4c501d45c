#!/usr/bin/env bash
# start-spark master | worker: a process of Spark's standalone cluster, in the foreground.
set -euo pipefail

spark_home=$(python -c 'import pyspark; print(pyspark.__path__[0])')
source authenticate-spark
export SPARK_HOME=$spark_home PYSPARK_PYTHON=/opt/venv/bin/python
case $1 in
master) exec "$SPARK_HOME/bin/spark-class" org.apache.spark.deploy.master.Master --host "$(hostname)" --port 7077 --webui-port 8080 ;;
worker)
    mkdir -p /var/lib/recstack/spark-events
    exec "$SPARK_HOME/bin/spark-class" org.apache.spark.deploy.worker.Worker --webui-port 8081 --work-dir /tmp/spark-work \
        --cores "${SPARK_WORKER_CORES:-1}" --memory "${SPARK_WORKER_MEMORY:-1g}" spark://spark-master:7077
    ;;
*) echo "start-spark: master or worker, not $1" >&2; exit 2 ;;
esac
