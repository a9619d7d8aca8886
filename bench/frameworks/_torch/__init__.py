"""What PyTorch and the layers upon it share: device, models, training step, proof of mode, probes."""
