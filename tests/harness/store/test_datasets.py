"""The data sets of a run: made once, and what is in the way is said before anything is written."""

import dataclasses
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from bench.catalogue import PipelineOffer
from bench.data.dataset import open_dataset
from harness.errors import SelectionError, SetupError
from harness.launchers import choose
from harness.plan.plan import make_plan
from harness.store import datasets
from tests.factories import cell, framework

OFFER = dataclasses.replace(
    framework("numpy"),
    pipelines=tuple(PipelineOffer(name=name, sentence="", format=name) for name in ("memmap", "records")),
)
Usage = namedtuple("Usage", "total used free")


def ready(folder: Path | None, *modes: str, launcher: str = "venv") -> tuple[str, list[str]]:
    """The folder, and the lines that were said."""
    said: list[str] = []
    cells = [cell(framework="numpy", mode=mode, stream="1MB", track="stream") for mode in modes] or [cell()]
    plan = make_plan(tuple(cells), blocks=1, seed=1)
    return datasets.ready(folder, plan, [OFFER], [launcher], said.append), said


def test_only_the_formats_of_the_cells_are_made_and_only_once(tmp_path: Path) -> None:
    folder, said = ready(tmp_path, "memmap")
    assert folder == str(tmp_path)
    assert said[0] == f"Making the data set 1MB in {tmp_path}: 0.751 MiB"
    assert said[-1] == "  100%"
    open_dataset(tmp_path, "1MB").verify("memmap")
    assert not list(tmp_path.glob("*/*.tfrecord"))
    assert ready(tmp_path, "memmap")[1] == []
    ready(tmp_path, "memmap", "records")
    open_dataset(tmp_path, "1MB").verify("records")


def test_no_room_is_said_with_both_sizes_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 10, 100 << 20))
    with pytest.raises(SetupError, match=r"it needs 0.751 MiB and 100 MiB are free\. Name a smaller one with --stream"):
        ready(tmp_path, "memmap")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SetupError, match="cannot be made"):
        ready(tmp_path / "data", "memmap")


def test_a_file_instead_of_the_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(SetupError, match=r"cannot be made .*: name another folder with --data"):
        ready(tmp_path / "data", "memmap")


def test_workers_read_where_compose_mounts_the_data_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = tmp_path / "data"
    kind = dataclasses.replace(choose.LAUNCHERS["workers"], data=str(mounted))
    monkeypatch.setattr(choose, "LAUNCHERS", {**choose.LAUNCHERS, "workers": kind})
    with pytest.raises(SelectionError, match=f"--launcher workers have their data sets in {mounted}, a volume"):
        ready(None, "memmap", launcher="workers")
    mounted.mkdir()
    assert ready(None, "memmap", launcher="workers")[0] == str(mounted)
    with pytest.raises(SelectionError, match=f"--data: the containers of --launcher workers .* in {mounted}"):
        ready(tmp_path / "mine", "memmap", launcher="workers")


def test_a_run_that_streams_nothing_has_no_folder(tmp_path: Path) -> None:
    assert ready(None) == ("", [])
    with pytest.raises(SelectionError, match="--data: only with --stream"):
        ready(tmp_path)
