"""Samples on disk: parts while a run lasts, one file with the report; each is read once, whatever happened between."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.store.folder import RunFolder
from harness.store.samples import COLUMNS, GROUP_ROWS, Sample, Samples


def sample(t_ns: int, value: float = 1.0) -> Sample:
    return (t_ns, "process", "torch/eager#1", "rss_bytes", value)


def times(samples: Samples) -> list[int]:
    return [t_ns for batch in samples.batches() for t_ns in batch.column("t_ns").to_pylist()]


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    return Samples(tmp_path)


def test_a_folder_whose_name_is_not_utf8_keeps_them_as_any_other(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    samples = Samples(folder)
    samples.append([sample(1)])
    assert times(samples) == [1]
    samples.merge()
    samples.append([sample(2)])
    samples.merge()
    assert times(samples) == [1, 2]
    assert len(samples.frame()) == 2


def test_samples_come_back_in_their_order_before_and_after_they_are_merged(samples: Samples) -> None:
    samples.append([sample(1), sample(2)])
    samples.append([])
    samples.append([sample(3)])
    assert times(samples) == [1, 2, 3]
    samples.merge()
    assert times(samples) == [1, 2, 3]
    samples.append([sample(4)])  # the run was resumed
    assert times(samples) == [1, 2, 3, 4]
    samples.merge()
    assert times(samples) == [1, 2, 3, 4]
    assert [path.name for path in samples.merged.parent.iterdir()] == ["samples.parquet"]


def test_the_merged_file_has_the_columns_of_the_contract(samples: Samples) -> None:
    import pandas as pd

    samples.append([sample(1, 5.0), sample(2, 6.0)])
    samples.merge()
    table = pd.read_parquet(samples.merged)
    assert tuple(table.columns) == COLUMNS == ("t_ns", "source", "subject", "metric", "value")
    assert table["value"].tolist() == [5.0, 6.0]


def test_nothing_sampled_leaves_no_file(samples: Samples) -> None:
    samples.merge()
    assert list(samples.batches()) == []
    assert list(samples.merged.parent.iterdir()) == []


def test_parts_that_a_crash_left_beside_the_merged_file_are_read_once(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples.append([sample(1)])
    samples.append([sample(2)])
    with monkeypatch.context() as killed:
        killed.setattr(Path, "unlink", lambda self, missing_ok=False: None)
        samples.merge()
    assert len(list((samples.merged.parent / "samples").glob("*.parquet"))) == 2
    assert times(samples) == [1, 2]
    samples.append([sample(3)])
    assert times(samples) == [1, 2, 3]
    samples.merge()
    assert times(samples) == [1, 2, 3]


def test_what_was_kept_is_read_after_kill_9_and_half_a_file_is_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from harness.store.samples import Samples\n"
        "samples, n = Samples(Path(sys.argv[1])), 0\n"
        "while True:\n"
        "    samples.append([(n + i, 'process', 'cell#1', 'rss_bytes', 1.0) for i in range(1000)]); n += 1000\n"
        "    print(n, flush=True)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    kept = [int(process.stdout.readline()) for _ in range(20)][-1]
    time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = max([kept, *map(int, process.stdout.read().split())])
    process.stdout.close()
    (tmp_path / "samples" / ".000099.parquet.new").write_bytes(b"PAR1 half of it")

    found = times(Samples(tmp_path))

    assert found[:kept] == list(range(kept))
    assert len(found) - kept in (0, 1000)  # a part may have got its name just before


def test_small_parts_become_large_groups(samples: Samples) -> None:
    import pyarrow.parquet as pq

    for part in range(4):
        samples.append([sample(part * 50_000 + row) for row in range(50_000)])
    samples.merge()
    groups = pq.read_metadata(samples.merged)
    assert groups.num_rows == 200_000
    assert groups.num_row_groups == 2
    assert groups.row_group(0).num_rows >= GROUP_ROWS


def test_a_damaged_file_is_named_with_its_remedy(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.append_samples([sample(1)])
    (tmp_path / "samples" / "000002.parquet").write_bytes(b"not Parquet")
    with pytest.raises(StoreError, match=r"000002\.parquet cannot be read: .*Remove the file"):
        folder.merge_samples()


def test_a_full_disk_is_said_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path)
    folder.append_samples([sample(1)])

    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"No space left on device.*--resume"):
        folder.append_samples([sample(2)])
    assert times(folder.samples) == [1]


APPENDS = """
import sys; from pathlib import Path; from harness.store.samples import Samples
samples = Samples(Path(sys.argv[1]))
for n in range(120):
    samples.append([(n, "process", "cell#1", "rss_bytes", 1.0)])
print("end", flush=True)
"""
MERGES = """
import sys; from pathlib import Path; from harness.store.samples import Samples
while not (Path(sys.argv[1]) / "end").exists():
    Samples(Path(sys.argv[1])).merge()
"""


def test_what_arrives_while_two_processes_merge_is_kept_and_read_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c"]
    writer = subprocess.Popen([*command, APPENDS, str(tmp_path)], stdout=subprocess.PIPE)
    mergers = [subprocess.Popen([*command, MERGES, str(tmp_path)]) for _ in range(2)]
    samples, reads = Samples(tmp_path), []
    while writer.poll() is None:
        reads.append(samples.taken("rss_bytes")["t_ns"].tolist())
    writer.communicate()
    (tmp_path / "end").touch()
    assert [merger.wait(timeout=60) for merger in mergers] == [0, 0]
    assert writer.returncode == 0
    assert times(samples) == list(range(120))
    assert [read for read in reads if read != list(range(len(read)))] == []
    samples.merge()
    assert times(samples) == list(range(120))
