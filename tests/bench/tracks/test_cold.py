"""A cold start on an emptied page cache: what the process read from storage tells whether the files were there."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.data.dataset import drop_from_page_cache
from bench.protocol.phases import PhaseClock
from bench.protocol.replicate import Replicate
from bench.records.codec import from_json, to_json
from bench.records.record import ColdStart
from bench.tracks import cold
from bench.turns import prepare
from harness.environments.checkout import ROOT
from tests import factories
from tests.bench.protocol.test_replicate import turn
from tests.fakes import FakeClock

MIB = 1 << 20


def test_the_kernels_count_is_read_and_none_where_it_does_not_count(tmp_path: Path) -> None:
    counters = tmp_path / "io"
    assert cold.read_bytes(counters) is None
    counters.write_text("rchar: 5000\nread_bytes: 4096\nwrite_bytes: 12\n")
    assert cold.read_bytes(counters) == 4096
    counters.write_text("rchar: 5000\n")
    assert cold.read_bytes(counters) is None


def read_by(file: Path) -> int | None:
    """What a process that reads `file` has read from storage meanwhile."""
    script = f"""
from pathlib import Path
from bench.tracks import cold
before = cold.read_bytes()
Path({str(file)!r}).read_bytes()
print(cold.read_bytes() - before)"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(cold.read_bytes() is None, reason="the kernel does not count what a process reads")
def test_a_file_is_read_from_storage_once_it_was_emptied_and_not_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(bytes(8 * MIB))
    monkeypatch.setenv(prepare.MODEL, str(model))
    cold.empty_model()
    first = read_by(model)
    if first == 0:
        pytest.skip("the temporary folder is in memory")
    assert first == pytest.approx(8 * MIB, rel=0.1)
    again = read_by(model)
    assert again is not None
    assert again < MIB  # not 0: the process may read a page of its own
    drop_from_page_cache([model])
    assert read_by(model) == first


def test_a_framework_without_a_model_has_nothing_to_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(prepare.MODEL, raising=False)
    cold.empty_model()


@pytest.mark.parametrize("launcher", ["docker", "workers"])
def test_in_a_container_it_is_skipped_and_nothing_is_imported(launcher: str) -> None:
    cell = factories.cell(track="cold", framework="torch", batch=1)
    record = cold.run(turn(cell=cell, launcher=launcher), lambda phase: None, 0)
    assert (record.status, record.cold) == ("skipped", None)
    assert "torch" not in sys.modules
    assert record.reason == "in a container the files of the environment are not emptied: use --launcher venv"


def test_a_process_that_did_not_come_to_its_first_call_has_no_start() -> None:
    replicate = Replicate(turn(), PhaseClock(FakeClock(), lambda phase: None, 0), FakeClock())
    assert cold._cold(replicate, [100, 300]) is None
    replicate.load_ns, replicate.first_step_ns = 5, 7
    assert cold._cold(replicate, [100, 300]) == ColdStart(load_ns=5, first_step_ns=7, read_bytes=200)
    assert cold._cold(replicate, [None, 300]) == ColdStart(load_ns=5, first_step_ns=7, read_bytes=None)


def test_its_record_is_read_as_it_was_written() -> None:
    start = ColdStart(load_ns=12_000_000, first_step_ns=3_000_000, read_bytes=36 * MIB)
    record = factories.record(factories.cell(track="cold", batch=1), cold=start)
    assert from_json(to_json(record)) == record
    assert record.cell.id.endswith("/b1/cold")
