"""Features: defined once in `spec`, computed by `user` and `item` in Spark, encoded to tensors by `encode`."""
