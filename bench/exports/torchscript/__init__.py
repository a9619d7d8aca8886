"""TorchScript: the archive of a traced and frozen module."""
