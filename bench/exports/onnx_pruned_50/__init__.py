"""ONNX of a model of which 50 % of each weight matrix are zero: float32, stored as densely as without them."""
