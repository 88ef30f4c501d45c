"""The one place that opens a Spark session, sized for the machine at hand."""

import os
import sys

from pyspark.sql import SparkSession


def open_session(master: str, driver_memory: str = "2g", shuffle_partitions: int = 8) -> SparkSession:
    """A session in UTC whose Python workers use this interpreter (Spark would take the system's python3).

    A local session listens on loopback alone. Spark's own log is off: what went wrong is in the exception.
    """
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    builder = (
        SparkSession.builder.appName("recstack")
        .master(master)
        .config("spark.driver.memory", driver_memory)
        .config("spark.log.level", "OFF")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        .config("spark.sql.legacy.parquet.nanosAsLong", "true")  # files of pandas: Spark would refuse the whole file
        .config("spark.sql.shuffle.partitions", shuffle_partitions)
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        # A batch for Python has 10,000 rows; a limit in bytes, too, would make Spark add up the batch after each row.
        .config("spark.sql.execution.arrow.maxBytesPerBatch", 2**31 - 1)
        # Python workers keep the memory of NumPy's arrays of some MB between batches instead of asking anew for each.
        .config("spark.executorEnv.MALLOC_MMAP_THRESHOLD_", 1 << 28)
        .config("spark.executorEnv.MALLOC_TRIM_THRESHOLD_", 1 << 28)
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", str(sys.stderr.isatty()).lower())
    )
    if master.startswith("local"):
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
    return builder.getOrCreate()
