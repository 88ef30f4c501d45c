# shellcheck shell=bash
# Sourced before Spark starts: adds the cluster's secret to its configuration, in memory (/tmp is a tmpfs), for this user.
(
    umask 077
    mkdir -p "$SPARK_CONF_DIR"
    cp /opt/spark-conf/* "$SPARK_CONF_DIR"
    echo "spark.authenticate.secret $SPARK_SECRET" >>"$SPARK_CONF_DIR/spark-defaults.conf"
)
