"""The last step of every export through `jax.export`: trace, lower, serialise."""

import re
from collections.abc import Callable

import jax
from jax import export

from bench.exports import ExportError
from bench.reference.workload import Workload


def serialized(predict: Callable[[jax.Array], jax.Array], workload: Workload, framework: str, name: str) -> bytes:
    """Return `predict`, which closes over its parameters, as a serialised function called `name`.

    Raises:
        ExportError: a primitive that has no StableHLO, or that cannot be serialised.
    """
    x = workload.batch.x

    def forward(x: jax.Array) -> jax.Array:
        return predict(x)

    forward.__name__ = name  # the file keeps it, so that an engine can say whose function it runs
    try:
        exported = export.export(jax.jit(forward))(jax.ShapeDtypeStruct(x.shape, x.dtype))
        return bytes(exported.serialize())
    except NotImplementedError as error:
        named = re.search(r"primitive '([^']+)'", str(error))
        format_ = f"StableHLO (jax.export of JAX {jax.__version__})"
        raise ExportError(framework, named[1] if named else "", format_, str(error)) from error
