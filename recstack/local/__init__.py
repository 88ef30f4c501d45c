"""What only a laptop needs: the demo's questions, and the web pages of Prefect and MLflow."""
