"""What a replicate can be beside the timed step: hello world, export, limits, drift probe, memory, energy."""
