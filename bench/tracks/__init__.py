"""The replicates that are not timed: hello world, export, limits, drift probe, memory, energy."""
