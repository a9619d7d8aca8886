"""The multilayer perceptron 784-512-512-10 on a batch of 256, by scripts that know nothing of the suite."""
