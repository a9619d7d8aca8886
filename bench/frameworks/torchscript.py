"""TorchScript: inference of the frozen module that PyTorch traced and saved, by LibTorch's executor.

Where it is deployed it needs no Python. Here LibTorch is the one in PyTorch's wheel, so a cold start has PyTorch's
import. The executor profiles the first calls and then optimises the graph: both are in the first steps.
"""

import os
from typing import Any

import torch

from bench.frameworks._torch import device, engine
from bench.frameworks._torch.proof import placement_of
from bench.interface import Skip, Step
from bench.records.record import ModeProof
from bench.reference.workload import KINGMA_BA, Workload

MODES = {"from-torch": "inference of the module that torch.jit.trace traced, torch.jit.freeze froze, and PyTorch saved"}
BASELINE = ""
SOURCES = {"from-torch": "torch/torchscript"}
TRAINS = False
PACKAGES = "torch"
DEVICES = ("cpu",)
ENVIRONMENT = {"OMP_NUM_THREADS": "{threads}", "SAMESTEP_MODEL": "{scratch}/model.pt"}
ADAM = KINGMA_BA
FORWARD = dict.fromkeys(("mlp", "convnet", "transformer"))  # as they were exported


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return inference of the module at SAMESTEP_MODEL."""
    if precision != "float32":
        return Skip(f"TorchScript is measured in float32 only, not {precision}")
    module = torch.jit.load(os.environ["SAMESTEP_MODEL"], map_location=device.chosen())
    return engine.inference_step(workload, module, lambda last: _proof(module, last))


def _proof(module: Any, last: torch.Tensor | None) -> ModeProof:
    """Return what the executor says that it ran last, and where the module's constants are."""
    graph = torch.jit.last_executed_optimized_graph()
    operators = [] if graph is None else [node.kind() for node in graph.nodes()]
    constants = [node.t("value") for node in module.inlined_graph.nodes() if _is_tensor(node)]
    placement = placement_of(constants, last)
    placement["compute_precision"] = placement["output_precision"]  # the last product's result is the prediction
    source = module._c._type().qualified_name()
    scripted = bool(operators) and isinstance(module, torch.jit.ScriptModule)
    return ModeProof(
        mode="from-torch" if scripted and source.startswith("__torch__.") else "eager",
        compilations=None,
        graph_breaks=0,
        graphs=int(scripted),
        evidence=f"the file holds {source} with {len(constants)} constant tensors; the last graph that TorchScript "
        f"executed has {len(operators)} nodes: {', '.join(operators)}",
        **placement,
    )


def _is_tensor(node: Any) -> bool:
    return bool(node.kind() == "prim::Constant" and node.hasAttribute("value") and node.kindOf("value") == "t")


start, wait, to_numpy = device.start, device.wait, device.to_numpy
memory, empty_cache = device.memory, device.empty_cache
versions = engine.versions
