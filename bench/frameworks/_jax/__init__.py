"""What JAX, Flax and Keras on JAX share: device, models, optimisers, state, precision, proof of mode, probes."""
