"""What a precision asks for, and what a forward pass is held to."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from bench.interface import Skip, Step
from bench.protocol.replicate import measure
from bench.records.record import Record
from bench.reference.accuracy import fault
from bench.reference.precision import FLOAT32, PRECISIONS
from bench.reference.workload import Workload
from bench.workloads import mlp, regression
from tests import factories
from tests.bench.protocol.test_replicate import turn
from tests.fakes import FakeClock, FakeFramework


def measured(framework: FakeFramework, workload: Workload, **cell: Any) -> Record:
    of = turn(cell=factories.cell(workload=workload.name, size=workload.size, **cell))
    return measure(
        of, load=lambda: framework, make=lambda: workload, rounds=framework.clock.rounds,
        clock=framework.clock, announce=lambda _: None, cpu_clock=lambda: 0,
    )  # fmt: skip


def regressed(precision: str, *, off: float = 0.0, **found: Any) -> Record:
    """The regression by a framework whose losses are off and whose proof says what was `found`."""
    framework = FakeFramework(FakeClock(), found=found, wrong_by=off)
    return measured(framework, regression.make("base", "adam"), precision=precision)


@pytest.mark.parametrize(
    ("precision", "found", "reason"),
    [
        ("float32", {}, ""),
        ("float32", {"compute_precision": "float32", "tf32": False}, ""),
        ("float32", {"compute_precision": "bfloat16"}, "precision of the products: float32 was asked for"),
        ("bfloat16", {"compute_precision": "bfloat16"}, ""),
        ("bfloat16", {"compute_precision": "float32"}, "precision of the products: bfloat16 was asked for"),
        ("bfloat16", {}, "precision of the products: bfloat16 was asked for, the framework ran an unknown precision"),
        ("bfloat16", {"compute_precision": "bfloat16", "output_precision": "bfloat16"}, "precision of the output"),
        ("tf32", {"tf32": True}, ""),
        ("tf32", {"tf32": False, "matmul_precision": "highest"}, "tf32 was asked for, the framework does not use it"),
        ("tf32", {}, "tf32 was asked for, the framework does not use it"),
    ],
)
def test_the_precision_is_what_the_framework_ran(precision: str, found: dict[str, Any], reason: str) -> None:
    record = regressed(precision, **found)
    assert record.reason.startswith(reason)
    assert record.status == ("invalid" if reason else "ok")


@pytest.mark.parametrize(
    ("precision", "found"), [("bfloat16", {"compute_precision": "bfloat16"}), ("tf32", {"tf32": True})]
)
def test_a_coarse_precision_has_its_own_tolerance(precision: str, found: dict[str, Any]) -> None:
    tolerance = PRECISIONS[precision].loss
    assert regressed("float32", off=tolerance * 0.9).status == "invalid"
    assert regressed(precision, off=tolerance * 0.9, **found).status == "ok"
    assert regressed(precision, off=tolerance * 1.1, **found).status == "invalid"


def test_parameters_are_compared_in_float32_only() -> None:
    workload = mlp.make("tiny", "adam")
    apart = factories.accuracy(max_parameter_deviation=0.5, weight=None, bias=None, init_sha256=_sha(workload))
    assert "a trained parameter" in fault(apart, workload, PRECISIONS[FLOAT32])
    assert fault(apart, workload, PRECISIONS["bfloat16"]) == ""
    lost = dataclasses.replace(apart, max_parameter_deviation=float("inf"))
    assert "a trained parameter" in fault(lost, workload, PRECISIONS["bfloat16"])
    steep = dataclasses.replace(apart, max_gradient_deviation=0.1)
    assert "the gradient" in fault(steep, workload, PRECISIONS["tf32"])
    assert fault(steep, workload, PRECISIONS["bfloat16"]) == ""


def _sha(workload: Workload) -> str:
    from bench.reference.workload import sha256

    return sha256(workload.parameters)


class Predictor(FakeFramework):
    """Predicts by the perceptron in float32, without anything of the reference."""

    off: float = 0.0
    forgets: bool = False

    def build(self, workload: Workload, mode: str, precision: str) -> Step | Skip:
        assert not workload.trains
        parameters = {name: array.copy() for name, array in workload.parameters.items()}

        def predict() -> object:
            self.clock.spend(self.step_ns)
            h = workload.batch.x
            for layer in ("layer1", "layer2", "layer3"):
                h = h @ parameters[f"{layer}.weight"] + parameters[f"{layer}.bias"]
                h = np.maximum(h, 0) if layer != "layer3" else h
            if self.forgets:
                parameters["layer1.bias"] += 1
            return h + np.float32(self.off)

        return Step(
            call=predict,
            reset=lambda: None,
            parameters=lambda: parameters,
            proof=lambda: factories.proof(**self.found),
            inference=True,
        )


def predicted(*, off: float = 0.0, forgets: bool = False, precision: str = FLOAT32, **found: Any) -> Record:
    framework = Predictor(FakeClock(), found=found, FORWARD={"mlp": None})
    framework.off, framework.forgets = off, forgets
    return measured(framework, mlp.make("tiny", "none"), optimizer="none", precision=precision)


def test_a_forward_pass_is_held_to_the_float64_predictions_at_the_initial_parameters() -> None:
    record = predicted()
    assert (record.status, record.reason) == ("ok", "")
    assert record.accuracy
    assert record.accuracy.max_loss_deviation is not None
    assert record.accuracy.max_loss_deviation < 1e-5
    assert record.accuracy.formula == "none"
    assert record.accuracy.losses == ()
    assert record.accuracy.prediction_norm
    assert record.timing


def test_a_forward_pass_that_is_off_or_trains_is_invalid() -> None:
    assert predicted(off=0.01).reason.startswith("before timing: the predictions differ from those of float64 NumPy by")
    assert predicted(forgets=True).reason == "before timing: a forward pass changed the parameters"


def test_predictions_may_come_as_the_products_gave_them() -> None:
    mixed: dict[str, Any] = {"compute_precision": "bfloat16", "output_precision": "bfloat16"}
    assert predicted(precision="bfloat16", **mixed).status == "ok"
    assert predicted(precision="float32", output_precision="bfloat16").reason.startswith("precision of the output")


def test_nothing_is_trained_without_an_optimizer() -> None:
    with pytest.raises(ValueError, match="the mlp is not trained here"):
        _ = mlp.make("tiny", "none").optimizer
