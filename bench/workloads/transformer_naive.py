"""Transformer with naive attention: the same decoder blocks, the attention as separate operations."""

import dataclasses

from bench.reference.workload import Workload
from bench.workloads import transformer
from bench.workloads.transformer import ON_CPU, ON_CUDA, OPTIMIZERS, SIZES, work

__all__ = ["ON_CPU", "ON_CUDA", "OPTIMIZERS", "SIZES", "make", "work"]


def make(size: str, optimizer: str) -> Workload:
    """Return `transformer`'s inputs and parameters, under this name; raises KeyError."""
    return dataclasses.replace(transformer.make(size, optimizer), name="transformer_naive")
