"""Paths from an exporter to an engine that a reader looks for and that are not offered, each with what was found.

A path that is offered tells its own reason where it fails. These were tried, or cannot be here, and have no mode.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class NotOffered:
    """One path without a mode."""

    exporter: str  # title of the framework, as in the tables
    engine: str  # title
    format: str
    reason: str


NOT_OFFERED: Final = (
    NotOffered(
        exporter="Keras on PyTorch",
        engine="ONNX Runtime",
        format="onnx",
        reason="Keras 3.15 exports through PyTorch's older exporter, which fails on the transformer (SymbolicValueError"
        " in Gather); what Keras on TensorFlow and PyTorch export is measured",
    ),
    NotOffered(
        exporter="Keras on JAX",
        engine="ONNX Runtime",
        format="onnx",
        reason="Keras exports from JAX through jax2onnx, which its environment does not have; what JAX and Keras on"
        " TensorFlow export is measured",
    ),
    NotOffered(
        exporter="PyTorch",
        engine="Apache TVM",
        format="onnx",
        reason="untuned, TVM 0.27 took 10 to 100 times as long as the other engines, which says nothing of a tuned one",
    ),
    NotOffered(
        exporter="PyTorch",
        engine="TensorRT",
        format="onnx",
        reason="it needs an NVIDIA GPU and was never run; ONNX Runtime's own provider for CUDA runs with --device cuda",
    ),
    NotOffered(
        exporter="PyTorch",
        engine="LiteRT",
        format="litert",
        reason="litert-torch 0.10 writes the weights of a channels-last model wrong without a word (off by 1.5 to 3.3)",
    ),
    NotOffered(
        exporter="PyTorch",
        engine="ExecuTorch",
        format="pte",
        reason="ExecuTorch 1.5 refuses the convnet (ChannelsLastTaggedReshapePass), and the transformer is off by 5e-4",
    ),
    NotOffered(
        exporter="PyTorch",
        engine="ncnn",
        format="ncnn",
        reason="its converter (pnnx) crashes on the convnet and leaves the attention of the transformer out",
    ),
    NotOffered(
        exporter="TensorFlow",
        engine="TensorFlow.js",
        format="tfjs",
        reason="its converter 4.22 needs a protobuf older than TensorFlow 2.21 has: both cannot be in one environment",
    ),
)
