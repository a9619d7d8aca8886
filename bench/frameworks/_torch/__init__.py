"""What PyTorch and the trainers on top of it share: device, models, parts of a step, modes, proof of mode, probes."""
