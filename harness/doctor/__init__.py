"""What this host can run, and the remedy for each thing that it cannot."""
