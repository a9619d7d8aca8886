"""LiteRT in whole numbers of 8 bits throughout, with scales calibrated on the training inputs."""
