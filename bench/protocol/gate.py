"""The correctness gate: a built step is run from the initial parameters and compared with the float64 reference."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.interface import Framework, Step
from bench.protocol.required import InvalidResultError
from bench.records.record import Accuracy
from bench.reference import accuracy, known
from bench.reference.precision import Precision
from bench.reference.trajectory import Trajectory, reference
from bench.reference.workload import Arrays64, Workload
from bench.turns.artifacts import content
from bench.turns.turn import Turn

# Enough to detect a different result, and short: a trainer may take 60 ms for one step of the regression. If twenty
# updates of the same program give the same bits, the later ones do too.
START_STEPS: Final = 20


def known_references(turn: Turn, workload: Workload, formula: str) -> dict[int, Trajectory]:
    """Return the reference that the run brings, by the number of updates; empty: none, or of other bytes."""
    if turn.reference is None:
        return {}
    return known.from_bytes(content(turn.reference, "the file of the float64 reference"), workload, formula)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The correctness gate of one built step."""

    framework: Framework
    workload: Workload
    formula: str
    step: Step
    precision: Precision
    initial: Mapping[str, NDArray[np.float32]]  # parameters as read back after the build
    known: Callable[[], Mapping[int, Trajectory]] = dict  # reads what the run brings, not before the check
    references: dict[int, Trajectory] = dataclasses.field(default_factory=dict)  # by updates; each is needed twice

    def before_timing(self, *, whole: bool) -> tuple[Accuracy, Accuracy | None]:
        """Run its start and, if `whole`, all of it: the same run, where the start is all. Raises as `whole`."""
        when = "before timing"
        if whole and self.workload.steps <= START_STEPS:
            run = self.whole(when)
            return run, run
        return self.start(when), self.whole(when) if whole else None

    def whole(self, when: str) -> Accuracy:
        """Train all steps from the initial parameters, or infer once; return the comparison.

        Raises:
            InvalidResultError: the result differs too much from the reference.
        """
        return self._passed(self.workload.steps, when, gradient=self.workload.gradient_tolerance is not None)

    def start(self, when: str) -> Accuracy:
        """Train the first steps, at least one call, from the initial parameters, or infer once; else as `whole`."""
        return self._passed(min(START_STEPS, self.workload.steps), when)

    def _passed(self, steps: int, when: str, *, gradient: bool = False) -> Accuracy:
        result = self._inferred(when) if self.step.inference else self._trained(steps, when)
        if gradient and self.step.gradient:
            self.step.reset()
            result = accuracy.compare_gradient(result, self.step.gradient(), self._gradient())
        if wrong := accuracy.fault(result, self.workload, self.precision):
            raise InvalidResultError(f"{when}: {wrong}")
        return result

    def _trained(self, steps: int, when: str) -> Accuracy:
        calls = max(1, steps // self.step.steps_per_call)
        updates = calls * self.step.steps_per_call
        expected = self._reference(updates) if self.workload.has_reference else None
        self.step.reset()
        restored = self.step.parameters()
        outputs = self.step.run(calls)
        self.framework.wait(outputs)
        losses = self.framework.to_numpy(outputs)
        trained = self.step.parameters()
        self._require_initial(restored, f"{when}: reset does not bring the initial parameters back")
        return accuracy.compare(self.workload, self.formula, expected, losses, initial=self.initial, trained=trained)

    def _require_initial(self, parameters: Mapping[str, NDArray[np.float32]], otherwise: str) -> None:
        for name, value in self.workload.parameters.items():
            shape = parameters[name].shape
            if shape != value.shape:
                raise InvalidResultError(f"{name} has the shape {shape}, the workload's is {value.shape}")
        if any(not np.array_equal(parameters[name], value) for name, value in self.workload.parameters.items()):
            raise InvalidResultError(otherwise)

    def _reference(self, updates: int) -> Trajectory:
        if not self.references:
            self.references.update(self.known())
        if updates not in self.references:
            self.references[updates] = reference(self.workload, self.formula, updates)
        return self.references[updates]

    def _gradient(self) -> Arrays64 | None:
        return self.workload.gradient() if self.workload.has_reference_gradient else None

    def _inferred(self, when: str) -> Accuracy:
        outputs = self.step.run(1)
        self.framework.wait(outputs)
        predictions = self.framework.to_numpy(outputs)
        if not self.workload.trains:
            parameters = self.step.parameters()
            self._require_initial(parameters, f"{when}: a forward pass changed the parameters")
            return accuracy.compare_forward(self.workload, predictions, parameters)
        expected = self._reference(self.workload.steps)
        return accuracy.compare_inference(self.workload, self.formula, expected, predictions, self.initial)
