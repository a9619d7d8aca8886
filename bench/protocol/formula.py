"""Which formula of Adam a framework follows, told by a second run with a large epsilon.

At ε = 1e-8 the formulas differ by no more than float32 rounds. At ε = 0.1, with the regression, they are apart by 1.3
and 0.05, and a run follows one of them to 1e-4 or none.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np

from bench.interface import Framework, Skip
from bench.protocol.required import InvalidResultError
from bench.records.record import Fit
from bench.reference.accuracy import loss_deviation
from bench.reference.trajectory import reference
from bench.reference.workload import FORMULAS, Adam, Array64, Workload

EPSILON: Final = 0.1


def fits(framework: Framework, workload: Workload, mode: str, precision: str) -> tuple[Fit, ...]:
    """Build and train `workload` once more, at EPSILON; return how far it is from each formula; empty: not Adam."""
    if not workload.trains or not isinstance(workload.optimizer, Adam):
        return ()
    changed = dataclasses.replace(workload, update=dataclasses.replace(workload.optimizer, epsilon=EPSILON))
    step = framework.build(changed, mode, precision)
    if isinstance(step, Skip):
        return ()
    outputs = step.run(changed.steps // step.steps_per_call)
    framework.wait(outputs)
    losses = framework.to_numpy(outputs)
    step.release()
    return tuple(Fit(formula=formula, deviation=_deviation(changed, formula, losses)) for formula in FORMULAS)


def require(found: Sequence[Fit], formula: str, tolerance: float) -> None:
    """Raise InvalidResultError unless the run follows `formula` to `tolerance`, and no other."""
    followed = [fit.formula for fit in found if fit.deviation <= tolerance]
    if found and followed != [formula]:
        apart = ", ".join(f"{fit.deviation:.1e} from {fit.formula}" for fit in found)
        raise InvalidResultError(
            f"Adam at an epsilon of {EPSILON:g} follows {' and '.join(followed) or 'no formula'}, not {formula}:"
            f" {apart}"
        )


def _deviation(workload: Workload, formula: str, losses: Array64) -> float:
    return loss_deviation(losses, expected=np.asarray(reference(workload, formula).losses))
