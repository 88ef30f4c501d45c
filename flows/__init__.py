"""Prefect flows in the order in which data flows; each is a list of named steps that pass paths, not frames."""
