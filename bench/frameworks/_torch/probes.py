"""PyTorch's own calls for the limits of the device: product, convolution, memory traffic, smallest launch."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from bench.frameworks._torch import device
from bench.interface import Probes, Task
from bench.reference.precision import BFLOAT16, TF32


def torch_probes() -> Probes:
    """Return them for the device that `start` has chosen."""
    element = torch.ones(1, device=device.chosen())
    return Probes(
        matmul=_product,
        triad=_triad,
        launch=Task(element.neg_, 1),
        convolution=_convolution,
        replay=Task(_recorded(element), 1) if device.on_cuda() else None,
    )


def _product(n: int, precision: str) -> Task | None:
    if precision == TF32 and not device.on_cuda():
        return None
    a, b = (_random((n, n), precision) for _ in range(2))
    product = torch.empty_like(a)
    return Task(lambda: torch.mm(a, b, out=product), 2 * n**3)


def _convolution(batch: int, channels: int, precision: str) -> Task | None:
    if precision == TF32 and not device.on_cuda():
        return None
    x, weight = (_random(shape, precision) for shape in ((batch, channels, 32, 32), (channels, channels, 3, 3)))
    x, weight = (tensor.to(memory_format=torch.channels_last) for tensor in (x, weight))
    return Task(lambda: nn.functional.conv2d(x, weight, padding=1), 2 * 9 * channels**2 * batch * 32**2)


def _random(shape: Sequence[int], precision: str) -> torch.Tensor:
    """Return numbers between 0 and 1, and let products of float32 be rounded as `precision` says."""
    device.round_to_tf32(wanted=precision == TF32)
    return torch.rand(shape, device=device.chosen()).to(torch.bfloat16 if precision == BFLOAT16 else torch.float32)


def _triad(size: int) -> Task:
    """Return a += s·b, three passes over an array; on a GPU the copy of one array into the other, two passes."""
    a, b = (torch.ones(size // 8, device=device.chosen()) for _ in range(2))
    return Task(lambda: a.copy_(b), size) if device.on_cuda() else Task(lambda: a.add_(b, alpha=1e-6), size * 3 // 2)


def _recorded(element: torch.Tensor) -> Callable[[], None]:
    element.neg_()  # a kernel cannot be loaded while it is recorded
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        element.neg_()
    return graph.replay  # type: ignore[no-any-return]  # PyTorch is not typed here
