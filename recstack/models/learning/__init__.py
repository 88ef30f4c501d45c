"""What models share to learn: the training loop, negatives, histories, towers, offsets, search spaces."""
