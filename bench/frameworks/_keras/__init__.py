"""Keras on any backend: the models, the training step, the proof of its mode."""
