"""What the harness observes from the host while a replicate runs."""
