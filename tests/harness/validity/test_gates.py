"""A record that says itself that it must not count is held to that, whoever wrote it."""

from typing import Any

import pytest

from bench.records.codec import from_json, to_json
from bench.records.record import Memory, Record
from bench.records.schema import SCHEMA
from harness.validity.validity import judged
from tests import factories
from tests.factories import accuracy, cell, proof, record, timing


def reasons(*records: Record) -> list[str]:
    return [one.reason for one in judged(records, factories.run_facts()).records]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"proof": proof(mode="graph")}, "mode: eager was asked for, the framework ran graph"),
        ({"proof": proof(device="cuda:0")}, "device: cpu was asked for, the framework ran cuda"),
        ({"proof": proof(threads=2)}, "threads: 1 was asked for, the framework ran 2"),
        ({"proof": proof(compilations_timed=1)}, "1 traces or compilations fell into the timed rounds"),
        ({"timing": timing(process_cpu_ns=2 * 10**9, process_wall_ns=10**9)}, "threads: 1 asked for, 2.00 used"),
        ({"memory": Memory(device_allocations_timed=3)}, "3 device allocations fell into the timed rounds"),
        (
            {"timing": timing(compile_cache="cold", cache_entries=0)},
            "its first step is called cold, without a miss or a new file",
        ),
    ],
)
def test_its_own_proof_condemns_it(changes: dict[str, Any], reason: str) -> None:
    good, wrong = record(), record(block=2, **changes)
    assert reasons(good, wrong)[0] == ""
    assert reasons(good, wrong)[1].startswith(reason)


@pytest.mark.parametrize(("used", "reason"), [(1.9, ""), (2.5, "threads: 2 asked for, 2.50 used")])
def test_the_ranks_of_a_step_may_use_the_threads_of_them_all(used: float, reason: str) -> None:
    busy = timing(process_cpu_ns=round(used * 10**9), process_wall_ns=10**9)
    over_two = record(cell(mode="ddp", ranks=2, scaling="strong"), proof=proof(mode="ddp"), timing=busy)
    assert reasons(over_two)[0].startswith(reason) if reason else reasons(over_two) == [""]


def test_who_was_handed_other_bytes_than_the_others_is_named() -> None:
    others = [record(cell(framework=name)) for name in ("jax", "flax")]
    wrong = record(accuracy=accuracy(data_sha256="f" * 64))
    assert reasons(*others, wrong) == ["", "", "data_sha256: its bytes are ffffffff, the others' 00000000"]
    start = record(accuracy=accuracy(init_sha256="f" * 64))
    assert "init_sha256" in reasons(*others, start)[2]
    larger = record(cell(size="large"), accuracy=accuracy(data_sha256="f" * 64))
    assert reasons(*others, larger) == ["", "", ""]


def test_of_two_that_were_handed_other_bytes_nobody_knows_which() -> None:
    wrong = record(cell(framework="jax"), accuracy=accuracy(data_sha256="f" * 64))
    assert all("no more than half of all agree" in reason for reason in reasons(record(), wrong))


def test_the_proof_of_an_older_record_is_upgraded_with_its_cell() -> None:
    old = to_json(record(cell(framework="keras", mode="default"), proof=proof(mode="default")))
    old = old.replace(f'"schema":{SCHEMA}', '"schema":1').replace('"attempt":1,', "")
    upgraded = from_json(old)
    assert (upgraded.cell.mode, upgraded.proof and upgraded.proof.mode) == ("batch", "batch")
    assert reasons(upgraded) == [""]
