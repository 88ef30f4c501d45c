"""The object store, from which an empty machine is filled again: `bucket` speaks S3, `folders` makes folders whole."""

from recstack.object_store.bucket import ObjectStoreError, Unreachable
from recstack.object_store.folders import NotThere, ObjectStore, Transfer

__all__ = ["NotThere", "ObjectStore", "ObjectStoreError", "Transfer", "Unreachable"]
