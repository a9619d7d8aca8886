"""Build a step, run it, reset it; print what lies in arrays beside it, in bytes, as one line of JSON.

    PYTHONPATH=<repository> python tests/frameworks/check_held.py FRAMEWORK MODE

A script, since it runs in a framework's own environment. On JAX the arrays are those that it says are alive, wherever
they lie. TensorFlow has no such list for a CPU: there they are NumPy's, and the tensors that Keras was asked for.
"""

import gc
import importlib
import json
import os
import sys
import tracemalloc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.catalogue import framework_offer
from bench.interface import Framework, Step
from bench.reference.workload import Workload

THREADS: Final = 1
CALLS: Final = 2


def main(name: str, mode: str) -> None:
    for variable, value in framework_offer(name).environment:
        os.environ[variable] = value.format(threads=THREADS, scratch=Path.cwd())
    framework: Any = importlib.import_module(f"bench.frameworks.{name}")
    framework.start("cpu", THREADS)
    workload = importlib.import_module("bench.workloads.mlp").make("S", "adam")
    held = of_jax if "jax" in sys.modules else of_tensorflow
    sizes = {
        "parameters": sum(array.nbytes for array in workload.parameters.values()),
        "inputs": sum(array.nbytes for array in workload.batch),
    }
    print(json.dumps({**sizes, **held(framework, workload, mode)}))


def advance(framework: Framework, step: Step) -> None:
    framework.wait(step.run(CALLS))
    step.proof()
    step.parameters()
    gc.collect()


def of_jax(framework: Framework, workload: Workload, mode: str) -> dict[str, int]:
    jax: Any = importlib.import_module("jax")
    put: Callable[..., Any] = jax.device_put
    seen: list[int] = []

    def alive() -> int:
        # by address: on a CPU an array that was read has a second one, for NumPy, of the same memory
        held = (array for array in jax.live_arrays() if not array.is_deleted())
        return sum({array.unsafe_buffer_pointer(): array.nbytes for array in held}.values())

    def noting(*arguments: Any, **options: Any) -> Any:
        seen.append(alive())
        return put(*arguments, **options)

    step = framework.build(workload, mode, "float32")
    assert isinstance(step, Step)
    advance(framework, step)
    found = {"stepped": alive()}
    jax.device_put = noting
    step.reset()
    jax.device_put = put
    gc.collect()
    found |= {"before_reset": max(seen, default=0), "reset": alive()}
    advance(framework, step)
    found |= {"again": alive()}
    step.release()
    del step
    gc.collect()
    return {**found, "released": alive()}


def of_tensorflow(framework: Framework, workload: Workload, mode: str) -> dict[str, int]:
    keras: Any = importlib.import_module("keras")
    v1: Any = importlib.import_module("tensorflow").compat.v1
    convert, session = keras.ops.convert_to_tensor, v1.Session
    made: list[weakref.ref[Any]] = []
    graphs: list[Any] = []

    def noting(*arguments: Any, **options: Any) -> Any:
        made.append(weakref.ref(tensor := convert(*arguments, **options)))
        return tensor

    def noting_graph(*arguments: Any, graph: Any, **options: Any) -> Any:
        graphs.append(graph)
        return session(*arguments, graph=graph, **options)

    keras.ops.convert_to_tensor, v1.Session = noting, noting_graph
    tracemalloc.start()
    step = framework.build(workload, mode, "float32")
    assert isinstance(step, Step)
    advance(framework, step)
    step.reset()
    advance(framework, step)
    of_numpy = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)]
    )
    constants = [
        node.attr["value"].tensor.ByteSize()
        for graph in graphs
        for node in graph.as_graph_def().node
        if node.op == "Const"
    ]
    return {
        "of_numpy": sum(trace.size for trace in of_numpy.traces),
        "tensors": sum(tensor.numpy().nbytes for tensor in (reference() for reference in made) if tensor is not None),
        "constants": sum(constants),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
