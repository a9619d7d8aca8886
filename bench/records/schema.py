"""The number of the record's schema, and how a record of an older one is brought up to it, step by step."""

from collections.abc import Callable, Mapping
from typing import Any, Final

# History of the schema
#   1  the first: one process running one cell, or one idiomatic program
#   2  more of the proof, repeats, exports, fingerprints; "keras" is "keras_tensorflow", its modes by their method
#   3  workloads beside the regression: weight, bias and their truth may be missing, every parameter is compared, the
#      gradient too; a fingerprint is of the gate's first steps, before of all of them
#   4  when each timed round began; forward passes and precisions: the predictions' norm, what the products ran in;
#      limits of the machine
#   5  a gradient's deviation is the worst parameter's, before of the largest element of all;
#      memory, energy and the state of the machine: replicates of their own, what the process and the host saw of it;
#      tracks for the A/A twin and the sentinel; second attempts; the allocator's policy in the proof
SCHEMA: Final = 5


def _from_1(data: dict[str, Any]) -> dict[str, Any]:
    """Rename what was called "keras": it was Keras on TensorFlow, through `train_on_batch`."""
    cell = data.get("cell")
    if isinstance(cell, dict) and cell.get("framework") == "keras":
        modes = {"eager": "batch-eager", "default": "batch", "jit": "batch-jit"}
        cell |= {"framework": "keras_tensorflow", "mode": modes.get(str(cell.get("mode")), cell.get("mode"))}
        if isinstance(proof := data.get("proof"), dict):
            proof |= {"mode": modes.get(str(proof.get("mode")), proof.get("mode"))}
    return {**data, "schema": 2}


def _from_2(data: dict[str, Any]) -> dict[str, Any]:
    """Nothing is called otherwise; what schema 3 adds was not measured."""
    return {**data, "schema": 3}


def _from_3(data: dict[str, Any]) -> dict[str, Any]:
    """When a round began was not kept, and no limits were measured."""
    return {**data, "schema": 4}


def _from_4(data: dict[str, Any]) -> dict[str, Any]:
    """Nothing is called otherwise; what schema 5 adds was not measured."""
    return {**data, "schema": 5}


UPGRADES: Final[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    1: _from_1,
    2: _from_2,
    3: _from_3,
    4: _from_4,
}
