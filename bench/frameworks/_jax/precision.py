"""What JAX computes in: a dtype for the arrays, a setting for products of float32, and both read back.

On a GPU XLA rounds products of float32 to TF32 unless it is set to "float32" or "highest"; "tensorfloat32" asks for it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr

from bench.frameworks._jax.device import chosen
from bench.reference.precision import BFLOAT16, FLOAT32, TF32

COMPUTE: Final[Mapping[str, Any]] = {FLOAT32: jnp.float32, TF32: jnp.float32, BFLOAT16: jnp.bfloat16}
ROUNDING: Final = {FLOAT32: "float32", TF32: "tensorfloat32", BFLOAT16: "float32"}  # jax_default_matmul_precision
STRICT: Final = ("float32", "highest")  # the settings under which a GPU does not round products to TF32
AMPERE: Final = 8.0  # the compute capability that brought products of both TF32 and bfloat16
PRODUCTS: Final = ("dot_general", "conv_general_dilated")


def lacks(precision: str) -> str:
    """Return why the default device does not compute in `precision`; empty where it does."""
    if precision not in COMPUTE:
        return f"JAX is measured in {', '.join(COMPUTE)}, not {precision}"
    device = chosen()
    on_gpu = device.platform == "gpu"
    if precision == TF32 and not on_gpu:
        return f"TF32 needs an NVIDIA GPU, JAX runs on {device.platform}"
    if precision != FLOAT32 and on_gpu and float(device.compute_capability) < AMPERE:
        return f"{precision} needs compute capability {AMPERE}, the GPU's is {device.compute_capability}"
    return ""


def choose(precision: str) -> None:
    """Let products of float32 be rounded to TF32, or forbid it, in all that is traced from now on."""
    jax.config.update("jax_default_matmul_precision", ROUNDING[precision])


def cast(array: Any, dtype: Any) -> Any:
    """Return `array` in `dtype`; nothing is dispatched where it has that dtype already."""
    return array if array.dtype == dtype else array.astype(dtype)


def products(predict: Callable[..., jax.Array], *arguments: Any) -> str:
    """Trace `predict` with `arguments` and return the dtypes that its products take, "bfloat16" or a list.

    For a model without products, such as a chain of elementwise operations, it is the dtype of the predictions.
    Nothing is compiled or run.
    """
    traced = jax.make_jaxpr(predict)(*arguments)
    dtypes = {str(operand.aval.dtype) for product in _products_in(traced.jaxpr) for operand in product.invars}
    return ", ".join(sorted(dtypes or {str(out.dtype) for out in traced.out_avals}))


def _products_in(jaxpr: Any) -> Iterator[Any]:
    """Yield the products of a program and of those that it calls."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in PRODUCTS:
            yield equation
        for inner in _programs_in(equation.params.values()):
            yield from _products_in(inner)


def _programs_in(parameters: Iterable[Any]) -> Iterator[Any]:
    """Yield the programs among the parameters of an equation. JAX has had such a function since 0.10 alone."""
    for parameter in parameters:
        for value in parameter if isinstance(parameter, tuple) else (parameter,):
            if isinstance(value, ClosedJaxpr):
                yield value.jaxpr
            elif isinstance(value, Jaxpr):
                yield value
