"""The warning before a run on busy processors: what the kernel's counters say, and one real process that spins."""

import os
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from harness.host.load import Load, observed, warning


def times(**seconds: float) -> SimpleNamespace:
    fields = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    return SimpleNamespace(**(dict.fromkeys(fields, 100.0) | {name: 100.0 + value for name, value in seconds.items()}))


def counters(monkeypatch: pytest.MonkeyPatch, *after: SimpleNamespace) -> None:
    """Let the processors spend that much in the time in which they are observed, in which nobody runs."""
    readings: Iterator[list[SimpleNamespace]] = iter([[times() for _ in after], list(after)])
    monkeypatch.setattr("psutil.cpu_times", lambda percpu: next(readings))
    monkeypatch.setattr("psutil.process_iter", lambda names: [])


def quiet(**changes: object) -> Load:
    fields: dict[str, object] = {"cpus": {1: 0.03, 2: 0.0}, "stolen": {1: 0.0, 2: 0.0}, "processes": ()}
    return Load(**(fields | changes))  # type: ignore[arg-type]


def test_a_quiet_machine_is_not_mentioned() -> None:
    assert warning(quiet()) == ""
    assert warning(quiet(processes=(("python3 (7)", 1.0),))) == ""  # it runs on a processor that the run does not use


def test_a_busy_processor_is_named_with_who_uses_it_and_the_remedy() -> None:
    busy = quiet(cpus={1: 0.62, 2: 0.0}, processes=(("python3 (7)", 0.48), ("node (22)", 0.09)))
    assert warning(busy) == (
        "Busy with other work: CPU 1 (62 %), so the times will spread: python3 (7) uses 48 % of a processor and"
        " node (22) uses 9 % of a processor. End or pause it, or choose other processors with --cpus."
    )


def test_whoever_cannot_be_seen_is_said_to_be_unseen() -> None:
    assert "no process that can be seen from here" in warning(quiet(cpus={1: 0.5, 2: 0.0}))
    stolen = warning(quiet(cpus={1: 0.5, 2: 0.0}, stolen={1: 0.4, 2: 0.0}))
    assert "other guests of this virtual machine's host take 40 %" in stolen
    assert "cannot be seen" not in stolen


def test_only_the_processors_of_the_run_count(monkeypatch: pytest.MonkeyPatch) -> None:
    after = (times(user=0.5), times(idle=0.4, steal=0.1), times(idle=0.5))
    counters(monkeypatch, *after)
    seen = observed((1, 2, 4096), sleep=lambda seconds: None)
    assert seen.cpus == pytest.approx({1: 0.2, 2: 0.0})
    assert seen.stolen == pytest.approx({1: 0.2, 2: 0.0})
    counters(monkeypatch, *after)
    assert set(observed((), sleep=lambda seconds: None).cpus) == {0, 1, 2}  # no CPU set: all


def test_waiting_for_a_disk_is_no_load(monkeypatch: pytest.MonkeyPatch) -> None:
    counters(monkeypatch, times(iowait=0.5))
    assert observed((0,), sleep=lambda seconds: None).cpus == {0: 0.0}


def test_a_process_that_spins_is_found() -> None:
    cpu = max(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{cpu}}}); print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as spinning:
        try:
            assert spinning.stdout is not None
            spinning.stdout.readline()
            found = observed((cpu,))
        finally:
            spinning.kill()
    assert f"CPU {cpu} (" in warning(found)
    assert any(name.endswith(f"({spinning.pid})") for name, _ in found.processes)
