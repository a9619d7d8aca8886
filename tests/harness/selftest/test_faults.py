"""The gate of seeded faults: each is found out, a clean run is not accused, and a judge that sleeps is noticed."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bench.catalogue import SizeOffer, WorkloadOffer
from bench.records.record import Limit, Record
from harness.errors import StoreError
from harness.selftest import faults
from harness.selftest.faults import FAULTS, FEWEST_FOUND, Clean, Fault, alarms, damageable, reason_found
from harness.store import folder as store
from harness.store.facts import RunFacts
from harness.validity import validity
from tests import factories
from tests.factories import cell, proof, record, timing

WORK = SizeOffer(
    name="tiny", samples=1, flops=10**6, bytes=1, footprint=1, forward_flops=1, forward_bytes=1
)  # 100 µs a step: 10 Gflop/s
MLP = WorkloadOffer(
    name="mlp", sentence="", sizes=("tiny",), optimizers=("adam",), sizes_on_cpu=("tiny",), works=(WORK,)
)
OFFERS = (factories.framework("torch", limits="torch"), factories.framework("jax", limits="jax"))
FACTS = factories.run_facts(workloads=(MLP,), frameworks=OFFERS)


def records() -> tuple[Record, ...]:
    cells = [cell(framework=name, workload="mlp", size="tiny") for name in ("torch", "jax", "flax")]
    good = [
        record(one, block=block, proof=proof(compilations_timed=0), timing=timing(round_ns=(100_000,) * 5))
        for block in (1, 2)
        for one in cells
    ]
    probe = Limit(kind="matmul", precision="float32", size=512, work=10**9, round_ns=(10**7,))  # 100 Gflop/s
    turn = {"mode": "limits", "workload": "", "optimizer": "", "size": "", "precision": "", "track": "limits"}
    limits = Record(cell=cell(**turn), block=1, position=1, status="ok", limits=(probe,))
    return (*good, limits)


@pytest.fixture
def clean() -> Clean:
    return damageable(FACTS, records())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_fault_is_found_out(fault: Fault, clean: Clean) -> None:
    assert reason_found(fault, clean)


def test_a_clean_run_is_not_accused(clean: Clean) -> None:
    assert alarms(clean) == ()
    assert reason_found(Fault("none", lambda record: record), clean) == ""


def test_there_are_twenty_of_which_nineteen_have_to_be_found() -> None:
    assert len(FAULTS) == 20
    assert len({fault.name for fault in FAULTS}) == 20
    assert FEWEST_FOUND == 19


def test_the_command_prints_the_table_and_fails_when_a_judge_sleeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = store.create(tmp_path, "run")
    folder.write_facts(FACTS)
    for one in records():
        folder.append(one)
    text = io.StringIO()
    assert faults.run("run", tmp_path, Console(file=text, width=200)) == 0
    assert "20 of 20 faults were found, 19 have to be; 0 false alarms." in text.getvalue()
    monkeypatch.setattr(
        validity, "judged", lambda records, facts: validity.Judgement(records=tuple(records), replaced=(), warnings={})
    )
    text = io.StringIO()
    assert faults.run("run", tmp_path, Console(file=text, width=200)) == 3
    assert "NOT FOUND" in text.getvalue()


def test_a_run_without_declared_work_is_no_ground() -> None:
    facts: RunFacts = factories.run_facts()
    with pytest.raises(StoreError, match="no good replicate whose work is declared"):
        damageable(facts, records())


def test_the_figure_counts_what_was_missed_and_false_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (faults.figure(FACTS, records()).found, faults.figure(FACTS, records()).met) == (
        "20 of 20, 0 false alarms", True,
    )  # fmt: skip
    harmless = tuple(Fault(f"harmless {at}", lambda record: record) for at in (1, 2))
    monkeypatch.setattr(faults, "FAULTS", (*FAULTS[:18], *harmless))
    missed = faults.figure(FACTS, records())
    assert (missed.found, missed.met) == ("18 of 20, 0 false alarms; missed: harmless 1, harmless 2", False)


def test_a_drift_of_the_processor_is_no_false_alarm_of_a_gpu() -> None:
    def sentinel(block: int, round_ns: int) -> Record:
        turn = {"mode": "sentinel", "workload": "", "optimizer": "", "size": "", "precision": "", "track": "sentinel"}
        probe = Limit(kind="matmul", precision="float32", size=512, work=10**9, round_ns=(round_ns,))
        return Record(cell=cell(**turn), block=block, position=block, status="ok", limits=(probe,))

    drifting = (sentinel(1, 10**7), *records(), sentinel(2, 2 * 10**7), sentinel(3, 10**7))
    assert alarms(damageable(FACTS, drifting)) == ()


def test_a_framework_that_counts_its_misses_is_called_cold_with_none() -> None:
    counted = proof(compilations_timed=0, cache_hits=0, cache_misses=1)
    made = tuple(replace(one, proof=counted) if one.proof else one for one in records())
    (warm,) = [fault for fault in FAULTS if fault.name == "a warm cache called cold"]
    assert "called cold, without a miss" in reason_found(warm, damageable(FACTS, made))
