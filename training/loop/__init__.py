"""The training loop: steps, schedule, checkpoints, progress and resource usage."""
