"""Creates the buckets that are missing, once the object store answers with the right keys."""

import os
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

BUCKETS = ("lake", "mlflow", "models")
PATIENCE = 120


def main() -> None:
    """Retry until the store is up; a restarted one needs half a minute."""
    client = boto3.client("s3", endpoint_url=os.environ["OBJECT_STORE_ENDPOINT"], config=Config(connect_timeout=5))
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            standing = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
            for bucket in set(BUCKETS) - standing:
                client.create_bucket(Bucket=bucket)
            print(f"buckets: {', '.join(BUCKETS)}")
            return
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"the object store does not serve its buckets: {error}") from None
            time.sleep(2)


if __name__ == "__main__":
    main()
