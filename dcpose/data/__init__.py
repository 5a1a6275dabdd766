"""From annotated videos to batches of person clips."""
