"""What a framework lacks on this host, a device or a program: its cells are skipped with the reason, no others."""

import dataclasses
from pathlib import Path

import pytest

from bench.catalogue import CONTROL, DRIFT_PROBE, LIMITS, ModeOffer, catalogue, framework_offer, programs_missing
from bench.records.record import Cell
from harness.plan import companions, models
from harness.plan.plan import make_plan
from harness.report import write
from harness.run.active import ActiveRun
from harness.run.loop import Lane, bad_cells, execute
from harness.store.folder import create
from harness.validity.results import load
from tests import factories
from tests.fakes import FakeLauncher
from tests.harness.run.test_loop import CODE, SETTINGS, Quiet, good
from tests.harness.run.test_models import RUNS_MODELS

NUMPY = framework_offer("numpy")
SENTENCE = "NumPy computes on the CPU only; this is a GPU"


def cells(*tracks: str) -> tuple[Cell, ...]:
    gpu = {"device": "cuda"}
    of_numpy = [factories.cell(framework="numpy", track=track, **gpu) for track in tracks]
    return (*of_numpy, factories.cell(**gpu))


@pytest.mark.parametrize("alternates", [False, True])
def test_what_does_not_compute_there_is_skipped_and_nothing_of_it_started(tmp_path: Path, alternates: bool) -> None:
    facts = factories.run_facts(
        cpus=(), code=CODE, device="cuda", alternates=alternates, frameworks=(NUMPY, framework_offer("torch"))
    )
    plan = make_plan(cells("identical", "memory", "energy"), blocks=2, seed=42)
    run = ActiveRun(folder=create(tmp_path, "run"), plan=plan, facts=facts, settings=SETTINGS)
    run.folder.write_plan(plan)
    run.folder.write_facts(facts)
    launcher = FakeLauncher(good)

    execute([Lane(run=run, launcher=launcher)], Quiet())

    records = run.folder.records()
    assert {turn.cell.framework for turn in launcher.turns} == {"torch"}
    skipped = [record for record in records if record.cell.framework == "numpy"]
    assert {(record.status, record.reason, record.failure) for record in skipped} == {("skipped", SENTENCE, None)}
    assert len({(record.cell, record.block) for record in records}) == plan.replicates
    assert "numpy" not in {cell.framework for cell in bad_cells(records)}

    execute([Lane(run=run, launcher=launcher)], Quiet())
    assert run.folder.records() == records, "a skipped replicate is not taken again"

    text = write.render(load(run.folder), "md")
    assert f"- NumPy eager: skipped: {SENTENCE}\n" in text, "the reason is below the table of steps"


def test_a_model_that_nobody_can_train_there_skips_what_runs_it(tmp_path: Path) -> None:
    of_numpy = dataclasses.replace(
        RUNS_MODELS, modes=(ModeOffer(name="from-numpy", sentence="a model of NumPy", source="numpy"),)
    )
    facts = factories.run_facts(cpus=(), code=CODE, device="cuda", frameworks=(of_numpy, NUMPY))
    cell = factories.cell(framework="onnxruntime", mode="from-numpy", device="cuda")
    run = ActiveRun(
        folder=create(tmp_path, "run"), plan=make_plan((cell,), blocks=1, seed=42), facts=facts, settings=SETTINGS
    )
    launcher = FakeLauncher(good)

    execute([Lane(run=run, launcher=launcher)], Quiet())

    (record,) = (record for record in run.folder.records() if record.cell == cell)
    assert (record.status, record.reason) == ("skipped", f"there is no model from numpy: {SENTENCE}")
    assert launcher.turns == []


@pytest.mark.parametrize(
    ("reason", "status"),
    [("", "skipped"), ("npm ci: 404", "failed")],
    ids=["a program that this host lacks", "an environment that cannot be made"],
)
def test_without_a_program_a_framework_is_skipped_as_a_mode_would_be(
    reason: str, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    offer = dataclasses.replace(factories.framework("tfjs", ("eager",)), programs=(("node", "nodejs"),))
    lacking = programs_missing(offer)
    assert lacking.endswith("needs node, not on the PATH: apt-get install nodejs")
    facts = factories.run_facts(cpus=(), code=CODE, frameworks=(offer,))
    plan = make_plan((factories.cell(framework="tfjs"),), blocks=1, seed=42)
    run = ActiveRun(folder=create(tmp_path, "run"), plan=plan, facts=facts, settings=SETTINGS)
    launcher = FakeLauncher(good)

    execute([Lane(run=run, launcher=launcher, unprepared={"tfjs": reason or lacking})], Quiet())

    (record,) = run.folder.records()
    assert (record.status, record.reason) == (status, f"launch: {reason}" if reason else lacking)
    assert launcher.turns == []


def test_nothing_of_it_is_prepared() -> None:
    offers = catalogue().frameworks
    assert models.started(offers, cells("identical")) == ("torch",)
    assert models.started(offers, (factories.cell(framework="numpy"),)) == ("numpy",)


def test_it_is_no_companion_of_others() -> None:
    offers = catalogue().frameworks
    gpu = cells("identical")
    assert {cell.framework for cell in companions.with_limits(gpu, offers) if cell.track == LIMITS} == {"torch"}
    assert {cell.framework for cell in companions.with_control(gpu, offers, 3) if cell.track == CONTROL} == {"torch"}
    probed = companions.with_drift_probe(gpu, offers, 3)
    assert {cell.framework for cell in probed if cell.track == DRIFT_PROBE} == {"torch"}
    alone = gpu[:1]
    assert companions.with_drift_probe(companions.with_control(alone, offers, 3), offers, 3) == alone
