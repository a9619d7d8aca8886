"""The gate: which reference it takes, and when it reads that; how often it trains before the timing."""

import dataclasses
from typing import Any

import pytest

from bench.protocol import gate, replicate
from bench.protocol.replicate import measure
from bench.records.record import Record
from bench.reference.trajectory import Trajectory, reference
from bench.reference.workload import Workload
from bench.workloads import regression
from tests.bench.protocol.test_replicate import fake, turn
from tests.fakes import FakeFramework


def short() -> Workload:
    return dataclasses.replace(regression.make("base", "adam"), steps=gate.START_STEPS)


def measured(framework: FakeFramework, workload: Workload) -> Record:
    return measure(
        turn(),
        load=lambda: framework,
        make=lambda: workload,
        rounds=framework.clock.rounds,
        clock=framework.clock,
        cpu_clock=lambda: 0,
    )


def test_the_reference_that_the_run_brings_is_taken_and_not_read_before_the_first_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workload, framework = short(), fake()
    brought = {gate.START_STEPS: reference(workload, workload.formula(framework.ADAM), gate.START_STEPS)}
    calls_before: list[int] = []

    def known(*_: Any) -> dict[int, Trajectory]:
        calls_before.append(framework.calls.count("call"))
        return brought

    monkeypatch.setattr(replicate, "known_references", known)
    monkeypatch.setattr(gate, "reference", lambda *_: pytest.fail("it was computed again"))
    record = measured(framework, workload)
    assert (record.status, record.reason) == ("ok", "")
    assert len(calls_before) == 1
    assert calls_before[0] > 0


def test_where_its_start_is_all_that_it_trains_it_runs_once_before_the_timing() -> None:
    counts = []
    for workload in (regression.make("base", "adam"), short()):
        framework = fake()
        record = measured(framework, workload)
        assert record.accuracy
        assert record.accuracy.fingerprint == record.accuracy.fingerprint_after != ""
        counts.append(framework.calls.count("reset"))
    assert counts[1] == counts[0] - 1
