"""ONNX with products of 8 bits by ONNX Runtime's static quantisation (QDQ), calibrated on the training inputs."""
