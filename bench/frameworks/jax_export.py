"""jax.export: inference of the function that JAX or Flax exported as StableHLO, compiled by XLA in the first call.

Nothing of the model's Python is needed, but JAX is: it reads the file and hands the program to XLA.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

import jax
from jax import export

from bench.frameworks._jax import device
from bench.frameworks._jax.held import held
from bench.frameworks._jax.proof import Body, proof_of
from bench.interface import Output, Skip, Step
from bench.records.record import ModeProof
from bench.reference.workload import KINGMA_BA, Workload

MODES = {
    "from-jax": "inference of the function that jax.export wrote as StableHLO, jitted",
    "from-flax": "inference of the Flax model that jax.export wrote as StableHLO, jitted; Flax is not needed for it",
}
BASELINE = ""
SOURCES = {"from-jax": "jax/stablehlo", "from-flax": "flax/stablehlo"}
TRAINS = False
PACKAGES = "jax"
DEVICES = ("cpu",)
ENVIRONMENT = {
    "NPROC": "{threads}",
    "JAX_COMPILATION_CACHE_DIR": "{scratch}/jax",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    "SAMESTEP_MODEL": "{scratch}/model.stablehlo",
}
ADAM = KINGMA_BA
FORWARD = dict.fromkeys(("mlp", "convnet", "transformer"))  # as they were exported


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return inference of the function at SAMESTEP_MODEL; it is compiled in the first call."""
    if precision != "float32":
        return Skip(f"jax.export is measured in float32 only, not {precision}")
    exported = export.deserialize(bytearray(Path(os.environ["SAMESTEP_MODEL"]).read_bytes()))
    body = Body()

    def forward(x: jax.Array) -> jax.Array:
        predictions = exported.call(x)
        body.ran(predictions)
        return predictions

    infer = jax.jit(forward)
    x = jax.device_put(workload.batch.x)

    def call() -> jax.Array:
        held.output = infer(x)
        return held.output

    return Step(
        call=call,
        reset=lambda: None,  # a trained model has no state
        parameters=lambda: workload.parameters,  # only its predictions tell that it has them
        proof=lambda: _proof(exported, body, infer, x),
        inference=True,
        release=held.release,
    )


def _proof(exported: Any, body: Body, infer: Any, x: jax.Array) -> ModeProof:
    """Return what JAX counted, and what the exported function says of itself."""
    dtypes = ", ".join(sorted({str(out.dtype) for out in exported.out_avals}))
    ran = exported.fun_name.replace("_", "-") if body.compiled else "op-by-op"  # the exporter named it like the mode
    read = proof_of(ran, body, x, held.output, infer._cache_size(), compute=dtypes)
    return dataclasses.replace(
        read,
        precision=dtypes,
        evidence=f"the file holds {exported.fun_name} for {', '.join(exported.platforms)}, calling convention "
        f"{exported.calling_convention_version}; {read.evidence.rpartition('; ')[0]}; the device is the input's, the "
        "dtype that of the function's results",
    )


def wait(outputs: list[Output]) -> None:
    """Block until every output is computed, the last call's among them."""
    jax.block_until_ready(outputs or held.output)


start, to_numpy, memory = device.start, device.to_numpy, device.memory
empty_cache, versions = device.empty_cache, device.versions
