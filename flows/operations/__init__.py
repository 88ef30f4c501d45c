"""Commands of the deployment's containers that start, follow and restart flow runs."""
