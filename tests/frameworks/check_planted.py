"""Run an exported model in an engine with a planted fault and print what its proof says as one line of JSON.

    SAMESTEP_MODEL=FILE PYTHONPATH=<repository> python tests/frameworks/check_planted.py FAULT MODE PRECISION
        WORKLOAD SIZE BATCH

FAULT is a key of FAULTS, and begins with the engine's name; "litert-nothing" and the like plant none. "error" is what
the engine raised, or "". "accuracy" is what the gate is told, "fault" what it says.
"""

import dataclasses
import functools
import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from bench import workloads
from bench.interface import Skip
from bench.reference import accuracy
from bench.reference.inference import at_batch, predictions
from bench.reference.precision import PRECISIONS
from tests.frameworks.check_artifact import inferred

ENGINES = ("openvino", "litert", "tract", "iree", "onnxruntime_node", "onnxruntime_web")


def bfloat16(engine: Any) -> None:
    """As OpenVINO computes by default on a processor that has bfloat16."""
    ov = engine.ov
    hint = {"INFERENCE_PRECISION_HINT": ov.Type.bf16}
    whole = ov.Core.compile_model
    ov.Core.compile_model = lambda core, model, device, asked: whole(core, model, device, asked | hint)


def two_threads(engine: Any) -> None:
    engine.start("cpu", 2)


def without_xnnpack(engine: Any) -> None:
    kind = importlib.import_module("ai_edge_litert.interpreter").OpResolverType
    resolver = kind.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    engine.Interpreter = functools.partial(engine.Interpreter, experimental_op_resolver_type=resolver)


def cut_off(engine: Any) -> None:
    model = Path(os.environ["SAMESTEP_MODEL"])
    short = model.with_name("short.bin")
    short.write_bytes(model.read_bytes()[:1000])
    os.environ["SAMESTEP_MODEL"] = str(short)


def in_guest(answer: str, change: Any) -> Any:
    """Change an answer of the guest before its host reads it."""

    def plant(engine: Any) -> None:
        guest = importlib.import_module("bench.guests.host").Guest
        whole = guest.ask
        guest.ask = lambda self, order, body, word: (
            change(whole(self, order, body, word), body) if word == answer else whole(self, order, body, word)
        )

    return plant


def one_short(answer: Any, path: str) -> Any:
    Path(path).write_bytes(Path(path).read_bytes()[:-4])
    return answer


def off_by_a_bit(answer: Any, path: str) -> Any:
    """The lowest bit of the exponent of the first number."""
    content = bytearray(Path(path).read_bytes())
    content[2] ^= 0x80
    Path(path).write_bytes(content)
    return answer


def killed(engine: Any) -> None:
    os.kill(engine.engine.guest().pid, signal.SIGKILL)


FAULTS = {
    "openvino-bfloat16": bfloat16,
    **{f"{engine}-nothing": lambda engine: None for engine in ("openvino", "litert", "onnxruntime")},
    "litert-without-xnnpack": without_xnnpack,
    **{f"{engine}-two-threads": two_threads for engine in ENGINES},
    **{f"{engine}-cut-off": cut_off for engine in ENGINES},
    "onnxruntime_node-other-bytes": in_guest("built", lambda built, asked: built | {"sha256": "0" * 64}),
    "onnxruntime_node-one-short": in_guest("output", one_short),
    "onnxruntime_node-wrong-number": in_guest("output", off_by_a_bit),
    "onnxruntime_node-killed": killed,
}


def main(fault: str, mode: str, precision: str, name: str, size: str, batch: str) -> None:
    folder = Path(os.environ["SAMESTEP_MODEL"]).parent.parent
    whole = inferred(name, size, batch, folder / f"{name}-{size}.npz")
    percent = PRECISIONS[precision].pruned
    workload = whole
    if percent:
        untrained = workloads.make(name, size=size, optimizer="none")
        workload = at_batch(untrained, int(batch), whole.parameters, percent=percent, unpruned=predictions(whole))
    engine: Any = importlib.import_module(f"bench.frameworks.{fault.partition('-')[0]}")
    engine.start("cpu", 1)
    FAULTS[fault](engine)
    try:
        step = engine.build(workload, mode, precision)
        predicted: Any = None if isinstance(step, Skip) else engine.to_numpy(step.run(1))
    except Exception as error:  # whatever an engine raises  # noqa: BLE001
        print(json.dumps({"error": str(error)}))
        return
    if isinstance(step, Skip):
        print(json.dumps({"skip": step.reason}))
        return
    gate = accuracy.compare_forward(workload, predicted, workload.parameters)
    found = {
        "error": "",
        "deviation": gate.max_loss_deviation,
        "accuracy": dataclasses.asdict(gate),
        "fault": accuracy.fault(gate, workload, PRECISIONS[precision]),
        "proof": dataclasses.asdict(step.proof()),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
