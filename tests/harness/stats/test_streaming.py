"""The figures of a pipeline's passes, by hand."""

from typing import Any

import pytest

from bench.records.streaming import Pass, Streaming
from harness.stats.streaming import of
from tests.factories import a_pass, streaming

MS = 1_000_000


def figures(*passes: Pass, **changes: Any) -> Any:
    return of(streaming(passes=passes, **changes))


def test_a_rate_leaves_out_the_first_batch_and_the_step_on_it() -> None:
    found = figures(a_pass("both", batches=5, wait_ns=100 * MS + 4 * MS, first_batch_ns=100 * MS, step_ns=5 * MS))
    assert found.both_ns == pytest.approx((4 + 4) * MS / (4 * 64))
    assert found.stall == pytest.approx(4 / 8)


def test_of_one_batch_there_is_no_first_to_leave_out() -> None:
    found = figures(a_pass("both", batches=1, wait_ns=3 * MS, first_batch_ns=3 * MS, step_ns=1 * MS))
    assert found.both_ns == pytest.approx(4 * MS / 64)
    assert found.stall == pytest.approx(3 / 4)


def test_the_parts_do_not_mix_and_of_each_the_median_counts() -> None:
    found = figures(
        *(a_pass("step", batches=10, step_ns=10 * ms * MS) for ms in (1, 2, 9)),
        a_pass("pipeline", batches=2, wait_ns=6 * MS, first_batch_ns=5 * MS),
    )
    assert found.step_ns == pytest.approx(2 * MS / 64)
    assert found.pipeline_ns == pytest.approx(1 * MS / 64)
    assert found.both_ns is found.stall is found.cold_ns is None


def test_cold_is_what_was_read_from_the_device() -> None:
    consumed = 10 * 64 * 3000
    cold = {"batches": 10, "cache": "cold", "step_ns": 10 * MS}
    assert figures(a_pass("both", **cold, read_bytes=consumed)).cold_ns == pytest.approx(MS / 64)
    half = figures(a_pass("both", **cold, read_bytes=consumed // 2))
    assert half.cold_ns is None
    assert half.why_not_cold == "the files stayed in the page cache, as they do on a file system in memory"
    unknown = figures(a_pass("both", **cold, read_bytes=None))
    assert unknown.why_not_cold == "this kernel does not count what a process reads from the device"


def test_a_warm_pass_that_read_its_files_again_does_not_count() -> None:
    consumed = 10 * 64 * 3000
    found = figures(
        a_pass("both", batches=10, step_ns=90 * MS, read_bytes=consumed),
        a_pass("both", batches=10, step_ns=10 * MS, read_bytes=consumed // 20),
    )
    assert found.both_ns == pytest.approx(MS / 64)


def test_processor_time_memory_and_what_ran_are_of_all_processes() -> None:
    found = figures(
        a_pass("both", batches=2, step_ns=2 * MS, cpu_ns=4 * MS, memory_bytes=5, processes=3, threads=7, cpus=(0, 1)),
        a_pass("both", batches=2, step_ns=2 * MS, cpu_ns=4 * MS, memory_bytes=9, processes=1, threads=9, cpus=(1,)),
    )
    assert found.both_cpu_ns == pytest.approx(4 * MS / 128)
    assert found.cores == pytest.approx(2)
    assert (found.memory_bytes, found.processes, found.threads, found.cpus) == (9, 3, 9, (0, 1))


def test_reading_is_compared_with_the_page_cache() -> None:
    passes = (a_pass("pipeline", batches=3, wait_ns=3 * MS, first_batch_ns=MS),)
    found = figures(*passes, plain_read_ns=MS, plain_read_bytes=2 * 64 * 3000)
    assert found.of_page_cache == pytest.approx(0.5)
    assert figures(*passes).of_page_cache is None


def test_the_example_of_a_record_is_one() -> None:
    assert isinstance(streaming(), Streaming)
