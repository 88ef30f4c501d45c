"""Features: defined in `spec`, computed by `user` and `item` in Spark, encoded for models by `encode`."""
