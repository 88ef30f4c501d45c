"""What the deployment's containers do with Prefect beside running flows."""
