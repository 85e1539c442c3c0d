"""What both services need and neither owns. Nothing in here imports `services`."""
