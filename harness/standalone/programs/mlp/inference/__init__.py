"""Inference of the perceptron by each engine, as its own documentation writes it; `_measure.py` times it."""
