"""What TensorFlow and the layers upon it share: device, models, sessions, proof of mode, probes."""
