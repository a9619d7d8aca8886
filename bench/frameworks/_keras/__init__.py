"""What Keras on every backend shares: models, optimisers, training step, what a backend adds, proof of mode."""
