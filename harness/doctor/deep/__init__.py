"""A tiny cell of each framework and mode, really run, and what NVML really says: `samestep doctor --deep`."""
