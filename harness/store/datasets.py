"""The data sets that a run streams: made once, before its first replicate, in a folder that later runs use again."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.catalogue import FrameworkOffer
from bench.records.record import Cell
from bench.turns import variables
from harness.errors import SelectionError, SetupError
from harness.format import memory_size
from harness.launchers import choose
from harness.plan.plan import Plan
from harness.plan.request import require_none
from harness.terminal import shell

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ".data"
SPARE_BYTES: Final = 256 << 20  # of the disk that is left free

Say = Callable[[str], None]


def ready(typed: Path | None, plan: Plan, offers: Sequence[FrameworkOffer], launchers: Sequence[str], say: Say) -> str:
    """Make the data sets that a plan streams; return their folder; empty: it streams none.

    Args:
        typed: the folder, as typed; None: one of the checkout.
        plan: of the run.
        offers: its frameworks.
        launchers: the launchers of its replicates.
        say: called with a line of progress.

    Raises:
        SelectionError: a launcher's replicates could not read them, or a folder was typed for nothing.
        SetupError: there is no room, or they cannot be written.
    """
    if not any(cell.stream for cell in plan.cells):
        require_none({"--data": typed}, needs="--stream")
        return ""
    folder = _folder(typed, launchers)
    formats = {(offer.name, pipeline.name): pipeline.format for offer in offers for pipeline in offer.pipelines}
    make_ready(folder, plan.cells, formats, say)
    return str(folder)


def _folder(typed: Path | None, launchers: Sequence[str]) -> Path:
    """Return the folder of the data sets, which all launchers' replicates see."""
    for name in launchers:
        if seen := choose.LAUNCHERS[name].data:
            if typed is not None and str(typed.absolute()) != seen:
                raise SelectionError(f"--data: the containers of --launcher {name} have their data sets in {seen}.")
            if not Path(seen).is_dir():
                raise SelectionError(
                    f"--stream: the containers of --launcher {name} have their data sets in {seen}, a volume of"
                    f" compose.yaml that is not here; name another launcher."
                )
            return Path(seen)
    return (typed or ROOT / FOLDER).absolute()


def make_ready(folder: Path, cells: Iterable[Cell], formats: Mapping[tuple[str, str], str], say: Say) -> None:
    """Write what is missing of the data sets of `cells`.

    Args:
        folder: that has them.
        cells: of the run; those whose input is resident need nothing.
        formats: by framework and mode, the format that a pipeline reads.
        say: called with a line of progress.

    Raises:
        SetupError: there is no room, which is said before anything is written, or they cannot be written.
    """
    from bench.data import dataset, make  # only now: the generator loads NumPy

    wanted: dict[str, list[str]] = {}
    for cell in cells:
        if cell.stream:
            wanted.setdefault(cell.stream, []).append(formats[cell.framework, cell.mode])
    missing = {size: make.missing(folder, size, needed) for size, needed in wanted.items()}
    needed = {
        size: sum(dataset.file_bytes(kind, part.samples) for kind, part in files) for size, files in missing.items()
    }
    if not sum(needed.values()):
        return
    _require_room(folder, sum(needed.values()))
    for size, bytes_ in needed.items():
        if bytes_:
            say(f"Making the data set {size} in {folder}: {memory_size(bytes_)}")
            _make(folder, size, list(dict.fromkeys(wanted[size])), say)


def _require_room(folder: Path, bytes_: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise SetupError(f"{folder} cannot be made ({error.strerror}): name another folder with --data.") from error
    if free < bytes_ + SPARE_BYTES:
        raise SetupError(
            f"There is no room for the data set in {folder}: it needs {memory_size(bytes_)} and {memory_size(free)} are"
            " free. Name a smaller one with --stream, or another folder with --data."
        )


def _make(folder: Path, size: str, formats: list[str], say: Say) -> None:
    """Write it in a process of its own, which has no threads and can start others."""
    command = [sys.executable, "-m", "bench", "data", str(folder), size, *formats]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**variables.of_tools(os.environ), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        assert process.stdout
        told = 0.0
        for line in process.stdout:
            done, _, of = line.strip().partition(" ")
            share = int(done) / int(of)
            if share - told >= 0.25 or share == 1:
                say(f"  {share:.0%}")
                told = share
        _, said = process.communicate()
    except BaseException:  # Ctrl-C, too: what is written so far has another name until it is complete
        process.kill()
        process.wait()
        raise
    if process.returncode:
        reason = next(reversed(said.strip().splitlines()), f"exit code {process.returncode}")
        raise SetupError(f"The data set {size} cannot be made: {reason}. {shell.NAME} run --data names another folder.")
