"""The two gates that a cell must pass: its result is the reference's, and its mode is the one that was asked for."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.interface import Framework, Step
from bench.records.record import FORWARD_ONLY, Accuracy, Cell, Memory, ModeProof, Timing
from bench.reference import accuracy
from bench.reference.precision import FLOAT32, PRECISIONS, TF32, Precision
from bench.reference.workload import Arrays64, Trajectory, Workload, reference

# CPU time over wall time may exceed the threads that were asked for by so much: the clocks of the two differ, and a
# framework may keep a thread of its own beside the pool.
THREADS_MARGIN: Final = 0.1
# Enough to find another result, and short: a trainer may take 60 ms for one step of the regression. Twenty updates of
# the same program with the same bits go on alike.
START_STEPS: Final = 20


class InvalidResultError(Exception):
    """The cell ran and gave a result that must not be published."""


@dataclasses.dataclass(frozen=True, slots=True)
class Gate:
    """The correctness gate of one built step."""

    framework: Framework
    workload: Workload
    formula: str
    step: Step
    precision: Precision
    initial: Mapping[str, NDArray[np.float32]]  # parameters as read back after the build
    references: dict[int, Trajectory] = dataclasses.field(default_factory=dict)  # by updates: seconds, asked for twice

    def whole(self, when: str) -> Accuracy:
        """Train all steps from the initial parameters, or infer once, and return what came out.

        Raises:
            InvalidResultError: it is not what the reference says.
        """
        return self._passed(self.workload.steps, when, gradient=self.workload.gradient_tolerance is not None)

    def start(self, when: str) -> Accuracy:
        """Train the first steps, at least one call, from the initial parameters, or infer once; as `whole`."""
        return self._passed(min(START_STEPS, self.workload.steps), when)

    def _passed(self, steps: int, when: str, *, gradient: bool = False) -> Accuracy:
        found = self._inferred(when) if self.step.inference else self._trained(steps, when)
        if gradient and self.step.gradient:
            self.step.reset()
            found = accuracy.compare_gradient(found, self.step.gradient(), self._gradient())
        if wrong := accuracy.fault(found, self.workload, self.precision):
            raise InvalidResultError(f"{when}: {wrong}")
        return found

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
        return accuracy.compare(self.workload, self.formula, expected, losses, self.initial, trained)

    def _require_initial(self, found: Mapping[str, NDArray[np.float32]], otherwise: str) -> None:
        for name, value in self.workload.parameters.items():
            if found[name].shape != value.shape:
                raise InvalidResultError(f"{name} has the shape {found[name].shape}, the workload's is {value.shape}")
        if any(not np.array_equal(found[name], value) for name, value in self.workload.parameters.items()):
            raise InvalidResultError(otherwise)

    def _reference(self, updates: int) -> Trajectory:
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


def require_mode(cell: Cell, threads: int, proof: ModeProof) -> None:
    """Raise InvalidResultError unless the framework ran what was asked for: mode, place, precision, threads."""
    products = PRECISIONS[cell.precision].products
    unsaid = FLOAT32 if products == FLOAT32 else "nobody knows what"
    # a loss is float32 always; predictions may come as the last product gave them
    infers = cell.optimizer == FORWARD_ONLY
    output = products if infers and proof.output_precision == products else FLOAT32
    asked_and_found: tuple[tuple[str, Any, Any], ...] = (
        ("mode", cell.mode, proof.mode),
        ("device", cell.device, _kind(proof.device)),
        ("device of the output", cell.device, _kind(proof.output_device) or cell.device),
        ("precision of the parameters", FLOAT32, proof.precision),
        ("precision of the products", products, proof.compute_precision or unsaid),
        ("precision of the output", output, proof.output_precision or output),
        ("threads", threads, threads if proof.threads is None else proof.threads),
        ("allocator", cell.allocator, proof.allocator or cell.allocator),
    )
    for name, asked, found in asked_and_found:
        if asked != found:
            raise InvalidResultError(f"{name}: {asked} was asked for, the framework ran {found} ({proof.evidence})")
    if proof.tf32 and cell.precision == FLOAT32:
        raise InvalidResultError(f"float32 was asked for, products may be rounded to TF32 ({proof.matmul_precision})")
    if cell.precision == TF32 and not proof.tf32:
        raise InvalidResultError(f"tf32 was asked for, the framework does not use it ({proof.matmul_precision})")
    must_be_none = (
        (proof.compilations_timed, "traces or compilations fell into the timed rounds"),
        (
            max(0, (proof.graph_breaks or 0) - proof.graph_breaks_declared),
            "graph breaks: the compiled step left its graph",
        ),
        (proof.guard_failures, "compilations because what was compiled did not fit the next call"),
    )
    for count, what in must_be_none:
        if count:
            raise InvalidResultError(f"{count} {what} ({proof.evidence})")


def require_threads(threads: int, timing: Timing) -> None:
    """Raise InvalidResultError when the timed rounds used more processors than threads were asked for."""
    if not timing.process_wall_ns:
        return
    used = timing.process_cpu_ns / timing.process_wall_ns
    if used > threads * (1 + THREADS_MARGIN):
        raise InvalidResultError(f"threads: {threads} asked for, {used:.2f} used (CPU time over wall time)")


def require_no_allocations(memory: Memory) -> None:
    """Raise InvalidResultError when the device allocator had to ask for more in the timed rounds."""
    if memory.device_allocations_timed:
        raise InvalidResultError(f"{memory.device_allocations_timed} device allocations fell into the timed rounds")


def _kind(device: str) -> str:
    """Return "cuda" of "cuda:0"."""
    return device.partition(":")[0]
