"""The workloads: one module each, listed nowhere else. A file whose name opens with "_" is shared by several.

NEEDED says what a workload's file must have. A workload whose ON_CPU and ON_CUDA name sizes runs when it is named; one
that leaves them empty runs in every mode of every framework: the regression, which is the first. `INFERS = True`: its
trained model is inferred at any batch (`--batch`); its inputs are standard normal. `streamed(size, optimizer)`: it also
trains on images of 32 × 32 × 3 that are streamed (`--stream`), and that is it for them.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # imported before NumPy may be loaded, see bench.turns.prepare
    from bench.reference.workload import Workload

NEEDED: Final[Mapping[str, str]] = {
    "SIZES": "its sizes by name, `tiny` first, each with what `work` and `make` need",
    "OPTIMIZERS": "`Adam` and `Sgd` by name; also None by `FORWARD_ONLY` where the forward pass can run alone",
    "ON_CPU": "the sizes that run on a CPU when none is named",
    "ON_CUDA": "the sizes that run on a GPU when none is named",
    "work": "(size) -> Work, the work of a step, without making its arrays",
    "make": "(size, optimizer) -> Workload, with its inputs, initial parameters and float64 reference",
}
FIRST: Final = "regression"
WORKLOADS: Final = (FIRST, *sorted({path.stem for path in Path(__file__).parent.glob("[a-z]*.py")} - {FIRST}))


class WorkloadError(Exception):
    """A workload's file is incomplete or contradicts itself; one sentence, which names the file."""


def load(name: str) -> Any:
    """Return the module of the workload `name`.

    Raises:
        WorkloadError: it lacks something of NEEDED, or contradicts itself.
    """
    module = importlib.import_module(f"bench.workloads.{name}")
    for fault in _faults(module):
        raise WorkloadError(f"bench/workloads/{name}.py {fault}.")
    return module


def docstring(module: Any) -> str:
    """Return what a workload's file opens with; an interpreter with -OO has stripped it, but not from the file."""
    if module.__doc__ or sys.flags.optimize < 2:
        return module.__doc__ or ""
    return ast.get_docstring(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))) or ""


def _faults(module: Any) -> Iterator[str]:
    if not docstring(module):
        yield "opens with no docstring, whose first line says what it is"
    for needed, meaning in NEEDED.items():
        if needed not in vars(module):
            yield f"has no {needed}: {meaning}"
    for default in ("ON_CPU", "ON_CUDA"):
        for size in vars(module)[default]:
            if size not in module.SIZES:
                yield f"has {size!r} in {default}, which is none of its SIZES"
    if bool(module.ON_CPU) != bool(module.ON_CUDA):
        yield "names sizes in one of ON_CPU and ON_CUDA only"
    for size in module.SIZES:
        if type(module.work(size)).__name__ != "Work":
            yield f"returns no Work from work({size!r})"


def make(name: str, *, size: str, optimizer: str) -> Workload:
    """Return the workload `name` in one size.

    Raises:
        KeyError: no such size or optimizer.
        WorkloadError: its file makes something else than the interface says.
    """
    made = load(name).make(size, optimizer)
    for fault in _faults_of(made, name, size):
        raise WorkloadError(f"bench/workloads/{name}.py: what make({size!r}, {optimizer!r}) returns {fault}.")
    return made  # type: ignore[no-any-return]  # a module's


def make_streamed(name: str, *, size: str, optimizer: str) -> Workload:
    """Return the workload `name` for images that are streamed; its own batch is not one of them.

    Raises:
        KeyError: no such size or optimizer.
    """
    return load(name).streamed(size, optimizer)  # type: ignore[no-any-return]  # a module's


def _faults_of(made: Workload, name: str, size: str) -> Iterator[str]:
    if (made.name, made.size) != (name, size):
        yield f"calls itself {made.name} {made.size}"
    if type(made.inputs).__name__ != "Resident":  # what every framework can take today
        yield f"has the inputs {type(made.inputs).__name__}, and not Resident(x=…, y=…)"
        return
    if not made.trains and made.predict is None:
        yield "is a forward pass without `predict`, the same in float64"
    for kind, arrays in (("input", made.batch.by_name()), ("parameter", made.parameters)):
        for own, array in arrays.items():
            dtypes = ("float32", "int32") if (kind, own) == ("input", "y") else ("float32",)
            if array.dtype not in dtypes:
                yield f"has the {kind} {own} in {array.dtype}, and not in {' or '.join(dtypes)}: `frozen` casts it"
            if array.flags.writeable or not array.flags.c_contiguous:
                yield f"has the {kind} {own} writeable or not C-contiguous: `frozen` makes it right"
