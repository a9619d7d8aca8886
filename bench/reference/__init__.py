"""The float64 reference in NumPy, and how far a framework may differ from it."""
