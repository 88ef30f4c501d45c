"""MLflow: the tracker that alone imports it, and what of a training or an evaluation is recorded."""
