"""What a history shows: the order of the runs, what changed on one host, the noise beside it; and its chart."""

import csv
import dataclasses
import io
from collections.abc import Sequence
from typing import Any

import pytest

from harness.publish import cite, history, stale
from harness.publish.chart import drawn, spec
from harness.publish.entry import Kept, Software, entry_of
from harness.publish.history import History
from harness.report.charts.draw import draw
from tests import factories
from tests.harness.compare.test_compare import made

DAY_NS = 86_400_000_000_000


def kept(day: int, step_us: float = 100.0, versions: Sequence[str] = ("torch==2.13.0",), **changes: Any) -> Kept:
    """A run of one cell that was begun on this day."""
    run = made([step_us, step_us * 1.01, step_us * 0.99], id=f"run-{day}")
    where = factories.environment(versions=tuple(versions))
    records = tuple(dataclasses.replace(record, environment=where) for record in run.records)
    entry = entry_of(dataclasses.replace(run, records=records), begun_as=f"run-{day}", records=3, records_sha256="0")
    return Kept(dataclasses.replace(entry, started_unix_ns=day * DAY_NS, **changes), str(day))


def of(*runs: Kept) -> History:
    (found,) = history.histories(sorted(runs, key=lambda each: -each.entry.started_unix_ns))
    return found


def test_the_newest_run_comes_first_and_names_what_changed_on_its_host() -> None:
    found = of(kept(1), kept(3, versions=("torch==2.14.0",)), kept(2, cpu="Other", versions=("torch==2.14.0",)))
    assert [point.entry.id for point in found.points] == ["run-3", "run-2", "run-1"]
    assert [point.changes for point in found.points] == [("torch 2.13.0 → 2.14.0",), (), ()]
    assert [point.before for point in found.points] == ["run-1", "", ""]


def test_a_new_host_leaves_the_others_their_colours() -> None:
    runs = [kept(1, cpu="One"), kept(2, cpu="Two")]
    assert [point.host for point in of(*runs).points] == [2, 1]
    assert [point.host for point in of(*runs, kept(3, cpu="Three")).points] == [3, 2, 1]


def test_a_run_without_a_time_is_in_the_table_and_not_in_the_chart() -> None:
    good, failed = kept(1), kept(2)
    cells = tuple(
        dataclasses.replace(
            cell, status="failed", reason="no memory", step_ns=None, low_ns=None, high_ns=None, times=()
        )
        for cell in failed.entry.cells
    )
    found = of(good, Kept(dataclasses.replace(failed.entry, cells=cells), "x"), kept(3))
    assert len(found.points) == 3
    assert [point.entry.id for point in drawn(found)] == ["run-3", "run-1"]
    assert found.points[0].before == "run-1"  # what has no time is nothing to compare with


def test_the_csv_has_all_runs_in_microseconds() -> None:
    found = of(*(kept(day, step_us=100.0 + day) for day in range(1, history.MOST_SHOWN + 3)))
    rows = list(csv.DictReader(io.StringIO(history.as_csv(found))))
    assert (len(rows), len(found.points)) == (history.MOST_SHOWN + 2, history.MOST_SHOWN)
    assert rows[-1]["run"] == "run-1"
    assert float(rows[-1]["step_us"]) == pytest.approx(101.0, rel=1e-3)
    assert rows[-1]["versions"] == "torch==2.13.0"


def test_the_chart_shows_intervals_and_the_noise_of_each_session() -> None:
    found = of(kept(1, floor=0.03), kept(2, step_us=50.0, floor=0.5, versions=("torch==2.14.0",)))
    older, newer = spec(found)["data"]["values"]
    assert (older["noise_low"], older["noise_high"]) == pytest.approx((older["step"] / 1.03, older["step"] * 1.03))
    assert newer["noise_high"] == pytest.approx(newer["step"] * 1.5)
    result = found.points[0].result
    assert (newer["interval_low"], newer["interval_high"]) == (result.low_ns / 1e3, result.high_ns / 1e3)  # type: ignore[operator]
    svg = draw(spec(found), name="history", label="of a cell")
    assert "torch 2.13.0 → 2.14.0" in svg
    assert "µs a step" in svg
    assert "var(--hue-1)" in svg


def test_one_run_in_one_block_has_no_interval_and_is_drawn_all_the_same() -> None:
    run = made([100.0], id="one")
    entry = entry_of(run, begun_as="one", records=1, records_sha256="0")
    assert "<svg" in draw(spec(of(Kept(entry, "one"))), name="history", label="")


class TestStale:
    SOFTWARE = Software(
        framework="torch",
        device="cpu",
        python="3.11",
        versions=("torch==2.12.1+cpu", "numpy==9.9", "own==1", "onnxruntime==1.0"),
        image="",
    )

    def test_only_what_is_older_than_its_lock_is(self, tmp_path: Any) -> None:
        (tmp_path / "images/locks").mkdir(parents=True)
        lock = tmp_path / "images/locks/torch.cpu-py311.txt"
        lock.write_text(
            "torch==2.13.0+cpu \\\n    --hash=sha256:00\nNumPy==2.4.6 \\\n    --hash=sha256:00\nonnxruntime-gpu==1.1\n"
        )
        found = {package.name: package for package in stale.packages(self.SOFTWARE, tmp_path)}
        assert [name for name, package in found.items() if package.is_old] == ["torch", "onnxruntime"]
        assert (found["torch"].measured, found["torch"].locked) == ("2.12.1+cpu", "2.13.0+cpu")
        assert found["own"].locked == ""

    @pytest.mark.parametrize(
        ("measured", "locked", "is_old"),
        [
            ("2.9.0", "2.10.0", True),
            ("2.13.0", "2.13.0+cpu", False),
            ("2.13.0rc1", "2.13.0", True),
            ("2.14.0.dev20260101", "2.13.0", False),
            ("unknown", "2.13.0", False),
        ],
    )
    def test_versions_are_compared_as_python_does(self, measured: str, locked: str, is_old: bool) -> None:
        assert stale.Package("torch", measured, locked).is_old is is_old

    def test_a_framework_without_a_lock_is_not_judged(self) -> None:
        software = dataclasses.replace(self.SOFTWARE, framework="../torch", device="tpu")
        assert not any(package.is_old for package in stale.packages(software))

    def test_the_newest_real_run_speaks_for_a_framework(self) -> None:
        emulated = kept(3, caveat="emulated").entry
        found = list(stale.newest([kept(1).entry, kept(2).entry, emulated]))
        assert [(each.framework, each.entry.id) for each in found] == [("torch", "run-2")]


def test_a_citation_says_which_records_and_escapes_what_tex_reads() -> None:
    entry = dataclasses.replace(kept(20).entry, cpu="A & B_C 100% {x}", records_sha256="abc")
    text = cite.bibtex(entry, author="", url="")
    assert r"A \& B\_C 100\% \{x\}" in text
    assert "SHA-256 of the records abc" in text
    assert text.count("{") == text.count("}")
    assert "year = {1970}" in text
    assert "month = jan" in text
