"""Run what PyTorch and the frameworks on it decide for a GPU, on a machine without one, and print JSON.

    PYTHONPATH=<repository> python tests/frameworks/check_gpu_torch.py WHAT FRAMEWORK MODE [ARGUMENT …]

The library is the locked one; only its answers about the device are others. WHAT is the name of a function below.
"""

import importlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any, Final

from bench.catalogue import framework_offer
from bench.interface import Framework, Skip, Step
from bench.workloads import make

THREADS: Final = 1


def pretend(allocator: str = "native") -> None:
    """Let the process take its CPU for a GPU of compute capability 9.0."""
    import torch

    from bench.frameworks._torch import device

    device.on_cuda = lambda: True
    torch.cuda.current_device = lambda: 0
    torch.cuda.get_allocator_backend = lambda: allocator
    torch.cuda.get_device_capability = lambda device=None: (9, 0)
    torch.cuda.synchronize = lambda device=None: None


def built(
    framework: Framework, mode: str, precision: str = "float32", workload: str = "mlp", size: str = "tiny"
) -> Any:
    return framework.build(make(workload, size=size, optimizer="adam"), mode, precision)


def proof_of(step: Step) -> dict[str, Any]:
    proof = step.proof()
    names = ("mode", "device", "output_device", "matmul_precision", "tf32", "compute_precision", "evidence")
    return {name: getattr(proof, name) for name in names}


def getters() -> dict[str, Any]:
    """What each getter of PyTorch says of TF32, in words for one that raises."""
    import torch

    backends = torch.backends
    asked: dict[str, Callable[[], Any]] = {
        "matmul, older": torch.get_float32_matmul_precision,
        "cublas, older": lambda: backends.cuda.matmul.allow_tf32,
        "cudnn, older": lambda: backends.cudnn.allow_tf32,
        "generic": lambda: backends.fp32_precision,
        "cublas": lambda: backends.cuda.matmul.fp32_precision,
        "cudnn": lambda: backends.cudnn.fp32_precision,
        "cudnn, convolutions": lambda: backends.cudnn.conv.fp32_precision,
        "cudnn, recurrent": lambda: backends.cudnn.rnn.fp32_precision,
    }
    return {name: said(getter) for name, getter in asked.items()}


def said(getter: Callable[[], Any]) -> Any:
    try:
        return getter()
    except RuntimeError as error:
        return f"raises: {error}"


def tf32(framework: Framework, mode: str, precision: str = "tf32") -> dict[str, Any]:
    """Train a few steps in a precision; what the getters say before and after, and the proof."""
    pretend()
    step = built(framework, mode, precision)
    assert isinstance(step, Step), step
    before = getters()
    framework.wait(step.run(3))
    return {"before": before, "after": getters(), "proof": proof_of(step)}


def probes(framework: Any, mode: str) -> dict[str, Any]:
    """What the getters say while products are measured in one precision after the other."""
    pretend()
    from bench.frameworks._torch import probes as own

    found = {}
    for number, precision in enumerate(("float32", "tf32", "bfloat16", "tf32", "float32")):
        own._product(8, precision)
        found[f"{number} {precision}"] = getters()
    return found


def skipped(framework: Framework, mode: str, allocator: str = "native") -> dict[str, str]:
    """Why a mode is skipped; empty: it is built."""
    pretend(allocator)
    step = built(framework, mode)
    return {"skipped": step.reason if isinstance(step, Skip) else ""}


def kept(framework: Framework, mode: str) -> dict[str, bool]:
    """Whether the outputs of each mode that Inductor compiles are copies."""
    pretend()
    import torch

    from bench.frameworks._torch.modes import INDUCTOR, keep_as

    output = torch.ones(1)
    return {name: keep_as(name)(output).data_ptr() != output.data_ptr() for name in INDUCTOR}


def form(framework: Framework, mode: str) -> dict[str, Any]:
    """The proof of a step where PyTorch has foreach kernels for the device, as it has for a GPU."""
    pretend()
    chooses: Any = importlib.import_module("torch.optim.optimizer")
    chooses._get_foreach_kernels_supported_devices = lambda: ["cpu", "cuda"]
    step = built(framework, mode)
    if isinstance(step, Skip):
        return {"skipped": step.reason}
    framework.wait(step.run(2))
    return proof_of(step)


def held(framework: Framework, mode: str, precision: str, workload: str) -> dict[str, Any]:
    """The largest tensor that a proof makes, and whether the training goes on as if it had not been asked."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Made(TorchDispatchMode):  # type: ignore[misc]
        largest = 0

        def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            given = {leaf.untyped_storage().data_ptr() for leaf in tree_leaves((args, kwargs)) if torch.is_tensor(leaf)}
            result = operator(*args, **(kwargs or {}))
            for leaf in tree_leaves(result):
                if torch.is_tensor(leaf) and leaf.untyped_storage().data_ptr() not in given:
                    self.largest = max(self.largest, leaf.untyped_storage().nbytes())
            return result

    def trained(*, is_asked: bool) -> tuple[bytes, int]:
        step = built(framework, mode, precision, workload, "S")
        assert isinstance(step, Step), step
        framework.wait(step.run(3))
        made = Made()
        if is_asked:
            with made:
                step.proof()
        framework.wait(step.run(3))
        return b"".join(array.tobytes() for array in step.parameters().values()), made.largest

    (asked, largest), (left_alone, _) = trained(is_asked=True), trained(is_asked=False)
    batch = make(workload, size="S", optimizer="adam").batch
    return {"largest": largest, "batch": batch.x.nbytes, "same": asked == left_alone}


def resident(framework: Framework, mode: str) -> dict[str, Any]:
    """Two fits of Lightning on a device that nothing can be copied from: "meta"; the proof, and what was emptied."""
    import torch
    from lightning.pytorch.accelerators import CUDAAccelerator

    from bench.frameworks._torch import device

    emptied: list[str] = []
    pretend()
    device._device = torch.device("meta")
    CUDAAccelerator.setup_device = lambda self, device: None
    torch.cuda.device_count = lambda: 1
    torch.cuda.empty_cache = lambda: emptied.append("cache")
    loop: Any = importlib.import_module("lightning.pytorch.loops.fit_loop")
    loop.has_len_all_ranks = lambda *arguments, **options: True  # it reads a number back from the device
    step = built(framework, mode)
    assert isinstance(step, Step), step
    for _ in range(2):
        framework.wait(step.run(2))
    return {**proof_of(step), "emptied": len(emptied)}


CHECKS: Final[dict[str, Callable[..., Any]]] = {
    check.__name__: check for check in (tf32, probes, skipped, kept, form, held, resident)
}


def main(what: str, name: str, mode: str, *arguments: str) -> None:
    with tempfile.TemporaryDirectory(prefix="samestep-gpu-") as scratch:
        for variable, value in framework_offer(name).environment:
            os.environ[variable] = value.format(threads=THREADS, scratch=scratch)
        framework: Framework = importlib.import_module(f"bench.frameworks.{name}")
        framework.start("cpu", THREADS)
        print(json.dumps(CHECKS[what](framework, mode, *arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
