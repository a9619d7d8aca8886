"""The star as a strategy of NumPy: in this process by a patch, in followers by a finder of modules."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.parallel import group, lead
from bench.protocol import replicate
from bench.strategies import StrategyOffer
from bench.turns import prepare
from bench.turns.turn import Settings, Turn
from harness.environments.checkout import ROOT
from tests import factories

FINDER = """
import importlib.util, sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "bench.parallel.numpy":
            return importlib.util.spec_from_file_location(name, {path!r})

sys.meta_path.insert(0, Finder)
"""
OFFER = StrategyOffer(
    name="star",
    sentence="a star",
    compared="eager",
    in_processes=True,
    environment=(("STAR", "{ranks}"),),
    devices=("cpu",),
)


@pytest.fixture
def star(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the star NumPy's strategy."""
    path = Path(__file__).with_name("star.py")
    (tmp_path / "sitecustomize.py").write_text(FINDER.format(path=str(path)), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("ONCE", str(tmp_path))
    from tests.bench.parallel import star as module

    monkeypatch.setitem(sys.modules, "bench.parallel.numpy", module)
    for where in (lead, prepare):
        monkeypatch.setattr(where, "strategy_offer", lambda cell: OFFER)
    monkeypatch.setattr(replicate, "strategy_lacking", lambda cell: "")
    yield
    group.end_all()
    while module.OPEN:
        module.OPEN.pop().close()


def with_star(folder: Path) -> Path:
    """Return a folder with a copy of bench/ in which the star is NumPy's strategy, for processes of their own."""
    shutil.copytree(ROOT / "bench", folder / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).with_name("star.py"), folder / "bench" / "parallel" / "numpy.py")
    return folder


@pytest.fixture
def turn() -> Turn:
    """Return a turn of the star over two ranks, which share all processors."""
    cell = factories.cell(
        framework="numpy", mode="star", workload="regression_wide", size="tiny", ranks=2, scaling="strong"
    )
    return Turn(
        cell=cell,
        block=1,
        position=1,
        calls_per_round=1,
        cpus=(),
        threads=1,
        hash_seed=1,
        timeout_s=60,
        launcher="here",
        settings=Settings(rounds=3, warmup_floor_ns=1, warmup_cap_ns=50_000_000, round_floor_ns=1),
    )
