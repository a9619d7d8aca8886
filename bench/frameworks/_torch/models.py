"""The workloads' models as PyTorch has them: an `nn.Module` each, whose state-dict names are the workload's."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from bench.reference.workload import Workload
from bench.workloads import pointwise, transformer
from bench.workloads.pointwise import EPSILON


@dataclass(frozen=True, slots=True)
class Forward:
    """One workload's model, whose state-dict names are the workload's, and its loss of prediction and target."""

    model: Callable[[Workload], nn.Module]
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class _Mlp(nn.Module):  # type: ignore[misc]
    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self.layer1, self.layer2, self.layer3 = (
            nn.Linear(*workload.parameters[f"layer{number}.weight"].shape) for number in (1, 2, 3)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer3(self.layer2(self.layer1(x).relu()).relu())


class _Norm(nn.Module):  # type: ignore[misc]
    """Layer norm, its parameters by the workloads' names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain, self.shift = (nn.Parameter(torch.zeros(width)) for _ in range(2))

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return nn.functional.layer_norm(h, self.gain.shape, self.gain, self.shift, EPSILON)


class _Block(nn.Module):  # type: ignore[misc]
    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))
        self.norm = _Norm(width)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return self.norm(nn.functional.gelu(h + self.bias, approximate="tanh") + h)


class _Pointwise(nn.Sequential):  # type: ignore[misc]
    def __init__(self, workload: Workload) -> None:
        super().__init__()
        for name in pointwise.BLOCKS:
            self.add_module(name, _Block(workload.batch.x.shape[1]))


class _Residual(nn.Module):  # type: ignore[misc]
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return (h + self.second(self.first(h).relu())).relu()


class _Convnet(nn.Module):  # type: ignore[misc]
    """Its images lie channels last, as the workload's do: on a CPU and on tensor cores the faster layout."""

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        c = len(workload.parameters["stem.bias"])
        self.stem = nn.Conv2d(3, c, 3, padding=1)
        self.block1 = _Residual(c)
        self.down = nn.Conv2d(c, 2 * c, 3, padding=1)
        self.block2 = _Residual(2 * c)
        self.head = nn.Linear(2 * c, 10)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.block1(self.stem(x.permute(0, 3, 1, 2)).relu())
        h = self.block2(self.down(nn.functional.avg_pool2d(h, 2)).relu())
        return self.head(h.mean(dim=(2, 3)))


def attend_naively(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Return causal attention of (n, heads, tokens, d), each operation by itself."""
    tokens = q.shape[-2]
    unseen = torch.ones(tokens, tokens, dtype=torch.bool, device=q.device).triu(1)
    scores = (q @ k.transpose(-1, -2)) / q.shape[-1] ** 0.5
    return scores.masked_fill(unseen, float("-inf")).softmax(-1) @ v


def attend_fused(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Return the same by PyTorch's own function, which chooses a flash kernel where it can."""
    return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


class _Decoder(nn.Module):  # type: ignore[misc]
    def __init__(self, width: int, attend: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.attend = attend
        self.norm1, self.norm2 = _Norm(width), _Norm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        n, tokens, width = h.shape
        qkv = self.qkv(self.norm1(h)).view(n, tokens, 3, transformer.heads(width), -1)
        mixed = self.attend(*qkv.permute(2, 0, 3, 1, 4))  # (n, heads, tokens, d)
        h = h + self.out(mixed.transpose(1, 2).reshape(n, tokens, width))
        return h + self.down(nn.functional.gelu(self.up(self.norm2(h)), approximate="tanh"))


class _Transformer(nn.Module):  # type: ignore[misc]
    def __init__(self, attend: Callable[..., torch.Tensor], workload: Workload) -> None:
        super().__init__()
        width = workload.batch.x.shape[-1]
        for name in transformer.blocks(workload.parameters):
            self.add_module(name, _Decoder(width, attend))
        self.norm = _Norm(width)
        self.head = nn.Linear(width, transformer.CLASSES)
        self.blocks = [module for name, module in self.named_children() if name.startswith("block")]

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))


def _token_loss(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())


def _linear(workload: Workload) -> nn.Module:
    return nn.Linear(*workload.parameters["weight"].shape)


FORWARD = {
    "regression": Forward(_linear, nn.functional.mse_loss),
    "regression_wide": Forward(_linear, nn.functional.mse_loss),
    "mlp": Forward(_Mlp, nn.functional.cross_entropy),
    "convnet": Forward(_Convnet, nn.functional.cross_entropy),
    "pointwise": Forward(_Pointwise, nn.functional.mse_loss),
    "transformer": Forward(partial(_Transformer, attend_fused), _token_loss),
    "transformer_naive": Forward(partial(_Transformer, attend_naively), _token_loss),
}
