"""A session in which nothing is told apart opens with that, with what moved and with who used the processor."""

import dataclasses

from bench.records.observation import Observation
from bench.records.record import Limit, Record
from harness.report.summary import summary
from harness.report.tables.all import tables
from harness.validity.results import Run
from tests.factories import cell, record, run, timing
from tests.harness.validity.test_noise_floor import session

EAGER, COMPILE = cell(mode="eager"), cell(mode="compile")
PROBE = cell(mode="sentinel", workload="", optimizer="", size="", precision="", track="sentinel")


def opening(shown: Run) -> str:
    return " ".join(summary(shown, tables(shown))[:2])


def disturbed(noise: float, load_percent: int = 310) -> list[Record]:
    """Six blocks in which the modes are as fast as each other and each is off by `noise` in turn."""
    records: list[Record] = []
    for block in range(1, 7):
        for of, sign in ((EAGER, 1), (COMPILE, -1)):
            ns = round(100_000 * (1 + noise * sign * (1 if block % 2 else -1)))
            robbed = timing(round_ns=(ns,) * 3, process_cpu_ns=ns, process_wall_ns=3 * ns)
            seen = Observation(load_percent=load_percent)
            records.append(record(of, block=block, timing=robbed, observation=seen))
    for block, ns in ((1, 1000), (2, 1000), (3, 1380)):
        limit = Limit(kind="matmul", precision="float32", size=256, work=1, round_ns=(ns,) * 3)
        records.append(record(PROBE, block=block, timing=None, accuracy=None, proof=None, limits=(limit,)))
    return records


def test_it_opens_with_what_moved_and_who_used_the_processor() -> None:
    text = opening(run(disturbed(0.3)))
    assert text.startswith("This session was too disturbed to tell any mode from its baseline: its drift probe (")
    assert "changed by +38% within block 2." in text
    assert "Other work used the processor: the load average when its replicates started was 3.1 in the median" in text
    assert "the rounds of 12 of 12 replicates got less than 90% of a processor." in text


def test_a_quiet_session_in_which_modes_are_the_same_is_not_disturbed() -> None:
    assert "disturbed" not in opening(run(disturbed(0.0005)))


def test_a_mode_that_is_told_apart_is_enough() -> None:
    records = disturbed(0.3)
    fast = [dataclasses.replace(one, cell=cell(mode="jit")) for one in records if one.cell == EAGER]
    fast = [
        dataclasses.replace(one, timing=timing(round_ns=(one.timing.round_ns[0] // 50,) * 3))
        for one in fast
        if one.timing
    ]
    assert "disturbed" not in opening(run([*records, *fast]))


def test_a_control_that_differs_by_more_than_a_quarter_is_a_disturbed_session() -> None:
    noisy = [1.4, 0.7, 1.3, 0.8, 1.5, 0.6]
    text = opening(run(session(*noisy)))
    assert text.startswith("This session was too disturbed: its A/A control, one cell under two labels, differs by ±")
    assert "disturbed" not in opening(run(session(*[1.01, 0.99] * 3)))
