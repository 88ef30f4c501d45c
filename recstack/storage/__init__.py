"""Where outputs live: whole, versioned folders (`lake`), their remote copy (`remote`), and S3 (`s3`, `folders`)."""
