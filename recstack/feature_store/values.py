"""Feast's values as Python objects."""

from typing import Any

from feast.protos.feast.types.Value_pb2 import Value


def plain(value: Value) -> Any:
    """A Feast value as Python: a scalar, a list, or None."""
    kind = value.WhichOneof("val")
    if kind is None or kind == "null_val":
        return None
    inner = getattr(value, kind)
    return list(inner.val) if kind.endswith("_list_val") else inner
