"""ONNX Runtime in node: inference in a JavaScript process of the trained model that another framework exported.

The model is the one that ONNX Runtime's Python package runs, to the byte. node is a guest (decision 46): its process
loads the model, makes the calls of a round and times them, and this file compares and records what it says. A call is
`await session.run(feeds)`, as an application would write it: a turn of node's event loop is in it.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.exports.onnx import mode_of
from bench.exports.onnx.header import producer
from bench.guests import node
from bench.guests.host import Guest, GuestError
from bench.interface import GuestRound, Output, Skip, Step
from bench.records.record import Allocator, ModeProof
from bench.reference.workload import KINGMA_BA, Array64, Workload

MODES = {
    "from-torch": "inference of the model that torch.onnx.export wrote",
    "from-keras": "inference of the model that Keras on TensorFlow wrote with tf2onnx",
    "from-jax": "inference of the model that jax2onnx wrote from JAX",
}
BASELINE = ""
SOURCES = {"from-torch": "torch/onnx", "from-keras": "keras_tensorflow/onnx", "from-jax": "jax/onnx"}
TRAINS = False
DEVICES = ("cpu",)
PROGRAMS = {"node": "nodejs"}
ENVIRONMENT = {
    "ORT_DISABLE_TELEMETRY": "1",  # the package keeps usage data in ~/.cache, as that for Python does
    "SAMESTEP_MODEL": "{scratch}/model.onnx",
}
ADAM = KINGMA_BA  # of no consequence: nothing is trained here
FORWARD = dict.fromkeys(("mlp", "convnet", "transformer"), "the model's own graph")
NAME: Final = "node"  # of the guest, in sentences

_threads = 1
_guests: list[Guest] = []  # the one that runs


def _guest() -> Guest:
    """Return node with ONNX Runtime loaded, which is started when it is first needed; raises GuestError."""
    if not _guests:
        _guests.append(node.start("onnxruntime_node.mjs", NAME))
    return _guests[0]


def start(device: str, threads: int) -> None:
    """Remember the threads: they are an option of the session, which `build` makes."""
    global _threads
    if device != "cpu":
        raise RuntimeError(f"ONNX Runtime in node is measured on the CPU only, not on {device}")
    _threads = threads


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return inference of the model at SAMESTEP_MODEL; the guest optimises the graph here, when it makes the session.

    Raises:
        GuestError: the guest has ended, cannot load the model, or loaded other bytes.
    """
    if precision != "float32":
        return Skip(f"ONNX Runtime in node is measured in float32 only, not {precision}")
    model = Path(os.environ["SAMESTEP_MODEL"])
    batch, made = model.with_name("batch.f32"), model.with_name("output.f32")
    x = workload.batch.x  # (n, …)
    batch.write_bytes(x.astype("<f4").tobytes())
    asked = {"model": str(model), "batch": str(batch), "shape": list(x.shape), "threads": _threads}
    guest = _guest()
    built = guest.ask("build", asked, "built")
    content = model.read_bytes()
    if built["sha256"] != (digest := hashlib.sha256(content).hexdigest()):
        raise GuestError(f"{NAME} loaded other bytes than the model's: {built['sha256'][:12]}…, not {digest[:12]}…")

    def output() -> Array64:
        told = guest.ask("output", str(made), "output")
        found = np.fromfile(made, "<f4")
        if told["dtype"] != "float32" or found.size != np.prod(told["shape"], dtype=int):
            raise GuestError(f"{NAME} wrote {found.size} numbers for {told['dtype']} of shape {told['shape']}")
        return found.astype(np.float64)

    def run(calls: int) -> GuestRound:
        return GuestRound(outputs=(output,), **guest.run(calls))

    return Step(
        guest=run,
        reset=lambda: None,  # a trained model has no state
        parameters=lambda: dict(workload.parameters),  # an engine shows none: digest and predictions prove them
        proof=lambda: _proof(guest.ask("proof", None, "proof"), producer(content)),
        inference=True,
        release=lambda: guest.ask("release", None, "released"),
    )


def _proof(told: Mapping[str, Any], writer: str) -> ModeProof:
    """Return what the session says of itself, and how many threads it began."""
    providers = ", ".join(told["executionProviders"])
    return ModeProof(
        mode=mode_of(writer),
        device=str(told["location"]),
        threads=int(told["threads"]),
        precision=str(told["input"]),
        compilations=None,
        output_device=str(told["location"]),
        output_precision=str(told["output"]),
        evidence=f"the model's producer is {writer!r}, the SHA-256 of the bytes that {', '.join(_versions())} loaded"
        f" {told['sha256']}; provider {providers}; the session began {told['threads'] - 1} threads beside node's own;"
        f" {told['executionMode']}, graph optimisation {told['graphOptimizationLevel']}; the dtypes are those of input"
        " and result",
    )


def wait(outputs: Sequence[Output]) -> None:
    """Return at once: the guest waits for its last call."""


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the predictions of the last inference, flat."""
    found: Array64 = outputs[-1]()
    return found


def memory() -> Allocator:
    """No statistics: the package shows none of ONNX Runtime's arenas. The guest collects its garbage first."""
    for guest in _guests:
        guest.ask("rest", None, "rested")
    return Allocator(why="ONNX Runtime's package for node shows nothing of its arenas")


def empty_cache() -> bool:
    """There is no such call."""
    return False


def _versions() -> Sequence[str]:
    return tuple(map(str, _guest().started["versions"]))


def versions() -> Sequence[str]:
    """ONNX Runtime's package and node, of the guest, and NumPy for the inputs."""
    return (*_versions(), f"numpy=={np.__version__}")
