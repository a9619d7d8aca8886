"""The number of the record's schema, its history, and the steps that upgrade a record of an older schema."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

# History of the schema
#   1  the first: one process runs one cell, or one idiomatic program
#   2  more of the proof, repeats, exports, fingerprints; "keras" is "keras_tensorflow", its modes by their method
#   3  workloads besides the regression: weight, bias and their truth may be missing; every parameter is compared, and
#      the gradient; a fingerprint covers the gate's first steps, in schema 2 all of them
#   4  when each timed round began; forward passes and precisions: norm of the predictions, dtype of the
#      products; limits of the machine
#   5  the deviation of the gradient is that of the worst parameter, in schema 4 that of the largest element;
#      memory, energy and the state of the machine: separate replicates, figures of the process and of the host;
#      tracks for the A/A control and the drift probe; second attempts; the allocator's policy in the proof
#   6  processes that took turns: the rounds of each time slice, the rounds after a switch, the time parked
#   7  every environment variable of the process and those that the user named; the processors that it ran on;
#      the calls after the first that still compile or capture
#   8  inference of the trained model at a batch; an export names its format and the digest of its bytes, which lie
#      beside the records; the mode of an export is "export-" with the format; the framework's part of the build
#   9  input that is streamed: the size of the data set in the cell, the passes of a pipeline and of the step;
#      rounds that a guest timed, and how much longer each took for its host;
#      what the predictions of a trained model are worth as classes, and their deviation in the root mean square;
#      the start of a process whose files were forgotten by the kernel (track "cold");
#      the compressed size of an export;
#      data-parallel steps: ranks and scaling in the cell, what was read back of ranks and collectives;
#      a second run that tells the formula of Adam; the variant of the framework's environment in the cell,
#      and the size of the environment's packages
SCHEMA: Final = 9


def _from_1(data: dict[str, Any]) -> dict[str, Any]:
    """Rename "keras": it was Keras on TensorFlow, through `train_on_batch`."""
    cell = data.get("cell")
    if isinstance(cell, dict) and cell.get("framework") == "keras":
        modes = {"eager": "batch-eager", "default": "batch", "jit": "batch-jit"}
        cell |= {"framework": "keras_tensorflow", "mode": modes.get(str(cell.get("mode")), cell.get("mode"))}
        if isinstance(proof := data.get("proof"), dict):
            proof |= {"mode": modes.get(str(proof.get("mode")), proof.get("mode"))}
    return {**data, "schema": 2}


def _from_2(data: dict[str, Any]) -> dict[str, Any]:
    """No name changed; what schema 3 adds was not measured."""
    return {**data, "schema": 3}


def _from_3(data: dict[str, Any]) -> dict[str, Any]:
    """The beginnings of rounds were not kept, and no limits were measured."""
    return {**data, "schema": 4}


def _from_4(data: dict[str, Any]) -> dict[str, Any]:
    """No name changed; what schema 5 adds was not measured."""
    return {**data, "schema": 5}


def _from_5(data: dict[str, Any]) -> dict[str, Any]:
    """Processes did not take turns."""
    return {**data, "schema": 6}


def _from_6(data: dict[str, Any]) -> dict[str, Any]:
    """No name changed; what schema 7 adds was not recorded."""
    return {**data, "schema": 7}


def _from_7(data: dict[str, Any]) -> dict[str, Any]:
    """Every export was ONNX, and its record held the bytes."""
    cell, export = data.get("cell"), data.get("export")
    if isinstance(cell, dict) and cell.get("track") == "export" and cell.get("mode") == "export":
        data = {**data, "cell": {**cell, "mode": "export-onnx"}}
    if isinstance(export, dict) and isinstance(export.get("model_base64"), str):
        try:
            model = base64.b64decode(export["model_base64"], validate=True)
        except ValueError:  # damaged: as if there were no bytes
            model = b""
        told = {"sha256": hashlib.sha256(model).hexdigest(), "size_bytes": len(model)} if model else {}
        data = {**data, "export": {**export, "format": "onnx", **told}}
    return {**data, "schema": 8}


def _from_8(data: dict[str, Any]) -> dict[str, Any]:
    """All input was resident, no step was data-parallel, no guests, and predictions were not looked at as classes."""
    return {**data, "schema": 9}


UPGRADES: Final[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    1: _from_1,
    2: _from_2,
    3: _from_3,
    4: _from_4,
    5: _from_5,
    6: _from_6,
    7: _from_7,
    8: _from_8,
}
