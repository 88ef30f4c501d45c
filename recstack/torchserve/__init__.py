"""TorchServe: its REST client, its start and end as a background process, and the log of its workers."""
