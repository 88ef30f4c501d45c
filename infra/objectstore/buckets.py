"""Creates the missing buckets once the object store answers."""

import os
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

BUCKETS = ("lake", "mlflow", "models")
WAIT_SECONDS = 120


def main() -> None:
    """Retry for two minutes; a restarted store needs half a minute."""
    client = boto3.client("s3", endpoint_url=os.environ["OBJECT_STORE_ENDPOINT"], config=Config(connect_timeout=5))
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            existing = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
            for bucket in set(BUCKETS) - existing:
                client.create_bucket(Bucket=bucket)
            print(f"buckets: {', '.join(BUCKETS)}")
            return
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"the object store does not serve its buckets: {error}") from None
            time.sleep(2)


if __name__ == "__main__":
    main()
