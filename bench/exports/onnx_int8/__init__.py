"""ONNX with weights of 8 bits by ONNX Runtime's dynamic quantisation, which needs no data."""
