"""What a TorchScript archive says of itself."""

import io

import torch

from bench.records.record import Export


def describe(model: bytes) -> Export:
    """Return what the archive holds: the operators of its graph in their order, without its constants.

    Raises:
        RuntimeError: these are not the bytes of a TorchScript archive.
    """
    module = torch.jit.load(io.BytesIO(model))
    kinds = (node.kind() for node in module.inlined_graph.nodes())
    return Export(
        format="torchscript",
        operators=tuple(kind for kind in kinds if kind != "prim::Constant"),
        producer=f"PyTorch {torch.__version__} ({module._c._type().qualified_name()})",
    )
