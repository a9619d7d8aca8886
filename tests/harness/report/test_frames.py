"""A run read back into pandas: tidy, judged like the report, every column documented."""

import dataclasses
import math
import re
from pathlib import Path

import pandas as pd
import pytest

from bench.records.record import Limit, Memory
from harness.environments.checkout import ROOT
from harness.errors import StoreError
from harness.plan.plan import make_plan
from harness.report import frames
from harness.report.frames import Frames, load
from harness.store import folder as store
from tests import factories
from tests.factories import again, cell, record

EAGER = cell()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of three blocks: in the second the replicate was invalid and run again, in the third a round is NaN."""
    kept = store.create(tmp_path, "run")
    kept.write_facts(factories.run_facts(id="run"))
    kept.write_plan(make_plan((EAGER, cell(mode="limits", track="limits")), blocks=3, seed=42))
    wrong = record(block=2, status="invalid", reason="it fell back")
    probe = Limit(kind="launch", precision="", size=1, work=4, round_ns=(100, 200))
    turn = record(cell(mode="limits", track="limits"), timing=None, memory=None, accuracy=None, limits=(probe,))
    nan = record(block=3, timing=factories.timing(round_ns=(1, math.nan)))
    good = record(round_ns=(100, 300, 200), memory=Memory(host_peak_rss_bytes=5))
    for one in (good, turn, wrong, again(wrong), nan):
        kept.append(one)
    kept.append_samples([(1, "process", "torch#1", "rss_bytes", 5.0)])
    kept.samples.merge()
    return kept.path


def test_a_run_is_read_back_from_its_folder_and_judged(folder: Path) -> None:
    found = load(folder)
    assert list(found.cells["status"]) == ["invalid"]
    assert list(found.cells["replicates_invalid"]) == [1]
    of_cell = found.replicates[found.replicates["track"] == "identical"]
    assert list(zip(of_cell["block"], of_cell["attempt"], of_cell["stands"], of_cell["status"], strict=True)) == [
        (1, 1, True, "ok"), (2, 2, True, "ok"), (3, 1, True, "invalid"), (2, 1, False, "invalid"),
    ]  # fmt: skip
    assert "timing.round_ns[1] is not a finite number" in of_cell["reason"].iloc[2]
    assert list(found.rounds.query("block == 1")["step_ns"]) == [100, 300, 200]
    assert list(found.rounds.query("block == 3")["step_ns"]) == []
    assert list(found.losses.query("block == 1")["loss"]) == [4.0, 2.0, 1.0]
    assert list(found.memory.query("block == 1")["host_peak_rss_bytes"]) == [5]
    assert found.memory["context_bytes"].isna().all()
    assert list(found.limits[["kind", "work", "round", "round_ns"]].itertuples(index=False, name=None)) == [
        ("launch", 4, 1, 100), ("launch", 4, 2, 200),
    ]  # fmt: skip
    assert list(found.samples["value"]) == [5.0]


def test_a_good_cell_has_its_estimate_and_interval() -> None:
    run = factories.run([record(block=block, round_ns=(step,)) for block, step in ((1, 100), (2, 400))])
    (row,) = load(run).cells.to_dict("records")
    assert row["step_ns"] == pytest.approx(200)
    assert row["step_low_ns"] < 200 < row["step_high_ns"]
    assert (row["replicates"], row["speedup"], row["baseline"]) == (2, 1, "eager")


def test_a_run_without_anything_has_all_columns_and_no_rows() -> None:
    found = load(factories.run([]))
    for field in dataclasses.fields(Frames):
        one: pd.DataFrame = getattr(found, field.name)
        assert one.empty
        assert len(one.columns) > 4


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no run"):
        load(tmp_path / "nothing")


@pytest.mark.parametrize("where", ["docs/data.md", "harness/report/frames.py"])
@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Frames)])
def test_every_column_of_every_frame_is_documented(folder: Path, name: str, where: str) -> None:
    text = (ROOT / "docs" / "data.md").read_text() if where.endswith(".md") else frames.__doc__ or ""
    head, *sections = re.split(r"\n\n?(?=`?(?:cells|replicates|rounds|losses|memory|limits|samples)`?[: ] *)", text)
    (section,) = [one for one in sections if re.match(rf"`?{name}`?[: ]", one)]
    words = set(re.findall(r"\w+", head + section))
    figures = name == "memory" and where.endswith(".py")  # there they are those of bench.records.record.Memory
    missing = [column for column in getattr(load(folder), name).columns if column not in words]
    assert missing == (list(frames.FIGURES) if figures else [])
