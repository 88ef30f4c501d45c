"""Removes rows of a view from Redis whose timestamp lies before a horizon."""

from datetime import datetime
from itertools import islice
from typing import Any, Final

import pyarrow as pa
from feast import FeatureView, RepoConfig
from feast.infra.online_stores.redis import RedisOnlineStore

from recstack.feature_store.feast_redis.commands import READ_TIMESTAMP
from recstack.feature_store.feast_redis.encoding import encode_timestamps
from recstack.feature_store.feast_redis.store import hash_fields, key_frame

KEYS_A_CALL: Final = 500
"""Rows that one call of the script looks at. It blocks other clients of Redis for less than a millisecond."""

REMOVE: Final = (
    READ_TIMESTAMP
    + """
-- KEYS: rows. ARGV: the horizon, then the fields of the view; the last field is the timestamp.
local least, least_nanos = timestamp(ARGV[1])
for _, key in ipairs(KEYS) do
  local stored = redis.call('HGET', key, ARGV[#ARGV])
  if stored then
    local seconds, nanos = timestamp(stored)
    if seconds < least or (seconds == least and nanos < least_nanos) then
      redis.call('HDEL', key, unpack(ARGV, 2))
    end
  end
end
"""
)


def remove_from_redis(config: RepoConfig, view: FeatureView, horizon: datetime) -> None:
    """Remove the rows of a view with a timestamp before `horizon`; rows of other views stay.

    Redis itself compares the timestamps, so that a row which is written meanwhile stays.

    Raises:
        redis.RedisError: Redis refused, or cannot be reached; a second call completes the work.
    """
    client: Any = RedisOnlineStore()._get_client(config.online_store)
    before, after = key_frame(config, view)
    pattern = _escaped(before) + b"?" * 8 + _escaped(after)
    fields = hash_fields(config, view, [field.name for field in view.features])
    encoded = encode_timestamps(pa.array([horizon], pa.timestamp("us", tz="UTC"))).head[0].as_py()
    script = client.register_script(REMOVE)
    found = client.scan_iter(pattern, count=KEYS_A_CALL)
    while keys := list(islice(found, KEYS_A_CALL)):
        script(keys=keys, args=[encoded, *fields])


def _escaped(text: bytes) -> bytes:
    """A part of a pattern that matches itself."""
    return b"".join(b"\\" + bytes([byte]) if byte in b"*?[]\\" else bytes([byte]) for byte in text)
