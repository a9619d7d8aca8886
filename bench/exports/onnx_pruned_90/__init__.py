"""ONNX of a model of which 90 % of each weight matrix are zero: float32, stored as densely as without them."""
