"""Removes rows of a view from Redis whose timestamp lies before a horizon."""

from collections.abc import Sequence
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
-- KEYS: rows. ARGV: the horizon, number of the view's fields, these, the last one its timestamp; then all fields of
-- registered views, or nothing.
local least, least_nanos = timestamp(ARGV[1])
local width, registered = tonumber(ARGV[2]), {}
for argument = 3, #ARGV do registered[ARGV[argument]] = true end
local function stale(stored)
  local seconds, nanos = timestamp(stored)
  return seconds < least or (seconds == least and nanos < least_nanos)
end
for _, key in ipairs(KEYS) do
  local stored = redis.call('HGET', key, ARGV[2 + width])
  if stored and stale(stored) then redis.call('HDEL', key, unpack(ARGV, 3, 2 + width)) end
  if #ARGV > 2 + width then
    local foreign = {}
    for _, field in ipairs(redis.call('HKEYS', key)) do
      if not registered[field] then
        if field:sub(1, 4) == '_ts:' and not stale(redis.call('HGET', key, field)) then
          foreign = {}
          break  -- of a view that was registered just now
        end
        foreign[#foreign + 1] = field
      end
    end
    if #foreign > 0 then redis.call('HDEL', key, unpack(foreign)) end
  end
end
"""
)


def remove_from_redis(
    config: RepoConfig, view: FeatureView, horizon: datetime, registered: Sequence[FeatureView] = ()
) -> None:
    """Remove the rows of a view with a timestamp before `horizon`; rows of other registered views stay.

    If `registered` is given, rows before `horizon` of all other views are removed from the same keys.

    Redis itself compares the timestamps, so that a row which is written meanwhile stays.

    Raises:
        redis.RedisError: Redis refused, or cannot be reached; a second call completes the work.
    """
    client: Any = RedisOnlineStore()._get_client(config.online_store)
    before, after = key_frame(config, view)
    pattern = _escaped(before) + b"?" * 8 + _escaped(after)
    fields = hash_fields(config, view, [field.name for field in view.features])
    known = [name for each in registered for name in hash_fields(config, each, [field.name for field in each.features])]
    encoded = encode_timestamps(pa.array([horizon], pa.timestamp("us", tz="UTC"))).head[0].as_py()
    script = client.register_script(REMOVE)
    found = client.scan_iter(pattern, count=KEYS_A_CALL)
    while keys := list(islice(found, KEYS_A_CALL)):
        script(keys=keys, args=[encoded, len(fields), *fields, *known])


def _escaped(text: bytes) -> bytes:
    """A part of a pattern that matches itself."""
    return b"".join(b"\\" + bytes([byte]) if byte in b"*?[]\\" else bytes([byte]) for byte in text)


def remove_from_every_view(config: RepoConfig, view: FeatureView, ids: list[int]) -> int:
    """Remove all that Redis holds of these entities of the project, for every view; returns how many were there.

    Raises:
        redis.RedisError: Redis refused, or cannot be reached.
    """
    client: Any = RedisOnlineStore()._get_client(config.online_store)
    before, after = key_frame(config, view)
    return sum(int(client.delete(before + number.to_bytes(8, "little", signed=True) + after)) for number in ids)
