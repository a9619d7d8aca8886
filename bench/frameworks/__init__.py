"""The frameworks: one module each, satisfying `bench.framework.Framework`. This is the one list of them."""

from typing import Final

FRAMEWORKS: Final = ("numpy", "torch", "tensorflow", "keras", "jax", "fastai")
