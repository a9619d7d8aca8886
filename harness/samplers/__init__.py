"""What is watched from the host while a replicate runs."""
