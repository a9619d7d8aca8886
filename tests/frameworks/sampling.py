"""What of a matrix of cases `make test-frameworks` runs; the rest is marked `whole`, for `make test-frameworks-all`.

Run are every framework in one plain and one compiled mode, those that train in another framework in the compiled one
alone, and each kind of planted fault once.
"""

from collections.abc import Iterable
from typing import Any, Final

import pytest

from bench.catalogue import catalogue, plain_mode

COMPILED: Final = {  # the mode of each; a framework that is not named here runs in all of its modes
    "torch": "compile",
    "lightning": "fit-compile",
    "fastai": "fit-compile",
    "tensorflow": "xla",
    "jax": "jit",
    "flax": "jit",
    "keras_tensorflow": "batch-jit",
    "keras_jax": "batch-jit",
    "keras_torch": "batch-jit",
}
WITHIN_OTHERS: Final = ("lightning", "fastai", "keras_tensorflow", "keras_jax", "keras_torch")
EVERY_FRAMEWORK: Final = [
    (offer.name, mode.name)
    for offer in catalogue().frameworks
    for mode in offer.modes
    if not mode.source
    and not offer.exhibit
    and (
        offer.name not in COMPILED
        or mode.name == COMPILED[offer.name]
        or (mode.name == plain_mode(offer) and offer.name not in WITHIN_OTHERS)
    )
]


def sampled(cases: Iterable[Any], *kept: Any) -> list[Any]:
    """Return `cases`, all but those `kept` marked `whole`.

    Raises:
        ValueError: one of `kept` is no case.
    """
    told = list(cases)
    if missing := [case for case in kept if case not in told]:
        raise ValueError(f"{missing} of the sample is not among the cases")
    return [case if case in kept else marked(case) for case in told]


def marked(case: Any) -> Any:
    """Return one case with the mark."""
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.whole)
