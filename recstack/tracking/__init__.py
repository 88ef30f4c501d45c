"""Records trainings, evaluations and model versions in MLflow."""
