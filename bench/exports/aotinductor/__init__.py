"""AOTInductor: a model that PyTorch compiled ahead into a shared library, packed with its constants."""
