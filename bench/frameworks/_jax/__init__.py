"""What JAX and the layers upon it share: device, optimizers, models, precision, proof of mode, probes."""
