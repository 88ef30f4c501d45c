"""What models share: formulas, histories, negatives, the training loop, towers, search spaces."""
