"""A host with emulated GPUs, on which samestep runs as a person would run it.

    host.says("* events 32 working")              what the driver says, beside `PLAIN`; the grammar is in driver.c
    host.program(pid, held)                       another program on GPU 0
    host.samestep("run", "--device", "cuda", …)   samestep, with the stand-in's libraries first on the loader's path

Its frameworks compute on the processor, say that it was the GPU, and enter themselves as the driver's programs.
"""

import contextlib
import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.records.codec import from_json
from bench.records.record import Record
from harness.launchers.workers import ADDRESS
from harness.samplers.observer import EXACT
from tests.copies import copy_of_the_checkout

HERE: Final = Path(__file__).parent
LIBRARIES: Final = ("libnvidia-ml.so.1", "libcuda.so.1")
UUID: Final = "GPU-emulated-0"
MODEL: Final = "Emulated H100"
WAIT_S: Final = 60.0
# What is at rest, and then what is otherwise while a program works. Of two GPUs the second is the smaller.
PLAIN: Final = """\
* count 1
* driver 580.95.05
* cuda 13000
* model H100
* total 85899345920
* reserved 629145600
* used 4194304
* persistence 1
* power_limit_mw 700000
* temperature_c 40
* gpu_percent 0
* power_mw 70000
* sm_mhz 345
* memory_mhz 2619
* events 1
* step_uj 20000
* tick_ms 20
* gpu_percent 100 working
* power_mw 300000 working
* sm_mhz 1980 working
* events 2 working
"""
REST_W: Final = 70.0
WORK_MW: Final = 300_000
CLOCK_MHZ: Final = 1980
USED: Final = 4 << 20
STEP_UJ: Final = 20_000.0  # some hundred W, as a GPU at work
TICK_MS: Final = 20  # of the counter


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    said: str  # on standard error


def compiled(folder: Path) -> Path:
    """Compile the stand-in; return the library."""
    library = folder / "driver.so"
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))))
    options = ("-shared", "-fPIC", "-O1", "-Wall", "-Werror")
    subprocess.run([compiler, *options, "-o", library, HERE / "driver.c", "-ldl"], check=True)
    return library


def checkout(root: Path) -> Path:
    """Return a copy of the checkout in which the emulated frameworks are installed, and workers are reached there."""
    copy_of_the_checkout(root)
    for file in (HERE / "frameworks").glob("*.py"):
        shutil.copy2(file, root / "bench" / "frameworks")
    launcher = root / "harness" / "launchers" / "workers.py"
    text = launcher.read_text(encoding="utf-8")
    assert text.count(f'Path("{ADDRESS}")') == 1
    launcher.write_text(text.replace(f'Path("{ADDRESS}")', f'Path("{socket_of(root)}")'), encoding="utf-8")
    return root


def socket_of(root: Path) -> Path:
    """Return where the harness of a copy listens for workers."""
    return root / "turns" / "harness.sock"


class Host:
    """One host: its driver, its checkout and its results."""

    def __init__(self, folder: Path, library: Path, checkout: Path) -> None:
        self.driver, self.results, self.checkout = folder / "driver", folder / "results", checkout
        self.ran: Ran | None = None  # what was run before a test
        self.driver.mkdir()
        self.results.mkdir()
        for name in LIBRARIES:
            shutil.copy2(library, self.driver / name)
        (self.driver / "programs").touch()
        (self.driver / "steps").write_bytes(bytes(8))
        self.says()

    def says(self, *lines: str) -> None:
        """Let the driver say this, and else what is plain."""
        written = self.driver / "script.new"
        written.write_text(PLAIN + "".join(f"{line}\n" for line in lines), encoding="ascii")
        written.replace(self.driver / "script")

    def program(self, pid: int, held: int = 1 << 30, gpu: int = 0) -> None:
        """Enter a process as a program on a GPU."""
        with (self.driver / "programs").open("a", encoding="ascii") as file:
            file.write(f"{time.clock_gettime_ns(time.CLOCK_BOOTTIME)} {pid} {gpu} {held} loading\n")

    def wait_for_work(self) -> None:
        """Wait until a program works."""
        deadline = time.monotonic() + WAIT_S
        while "working" not in (self.driver / "programs").read_text(encoding="ascii"):
            assert time.monotonic() < deadline, "no program has come"
            time.sleep(0.01)

    def variables(self, changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """Return the variables of a process on this host; None takes one out."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SAMESTEP_", "CUDA_"))}
        plain: dict[str, str | None] = {
            **inherited,
            "LD_LIBRARY_PATH": str(self.driver),
            "PYTHONPATH": str(self.checkout),
            "COLUMNS": "200",
        }
        return {name: value for name, value in {**plain, **(changes or {})}.items() if value is not None}

    def samestep(self, *words: str, variables: Mapping[str, str | None] | None = None) -> Ran:
        """Run samestep to its end."""
        with self.started(*words, variables=variables) as process:
            out, said = process.communicate(timeout=WAIT_S * 4)
        return Ran(process.returncode, out, said)

    def run(self, *words: str, variables: Mapping[str, str | None] | None = None) -> Ran:
        """Measure the emulated framework in one block, by `words` in whatever differs from that."""
        return self.samestep(*self.measuring(*words), variables=variables)

    def measuring(self, *words: str) -> tuple[str, ...]:
        """Return the command line of `run`."""
        plain = {
            "--framework": "emulated",
            "--mode": "eager",
            "--optimizer": "adam",
            "--device": "cuda",
            "--launcher": "here",
            "--profile": "look",
            "--measure": "time",
            "--blocks": "1",
            "--results": str(self.results),
        }
        left = [word for name, value in plain.items() if name not in words for word in (name, value)]
        return ("run", *left, *words)

    @contextlib.contextmanager
    def started(
        self, *words: str, variables: Mapping[str, str | None] | None = None, module: str = "harness"
    ) -> Iterator[subprocess.Popen[str]]:
        """Start samestep, or another module of its checkout; it is ended with the block."""
        process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            cwd=self.checkout,
            env=self.variables(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    process.communicate()

    @property
    def folder(self) -> Path:
        """The folder of the only run."""
        (folder,) = (path.parent for path in self.results.glob("*/records.jsonl"))
        return folder

    def energy(self) -> dict[str, str]:
        """Return the only row of the table of energy."""
        (row,) = self.table("energy")
        return row

    def table(self, name: str) -> list[dict[str, str]]:
        """Return the rows of a table of the only run."""
        text = (self.folder / "report" / "csv" / f"{name}.csv").read_text(encoding="utf-8")
        return list(csv.DictReader(text.splitlines()))

    def has_right_energy(self, step_uj: float = STEP_UJ, *, tick_ms: int = TICK_MS) -> bool:
        """Return whether the table has the driver's energy of a step, as exactly as the record says.

        Where other work kept the harness from reading the counter for more than two ticks, it is right to have no
        figure and to say so.
        """
        (record,) = self.records("energy")
        assert record.observation is not None
        row, missing = self.energy(), "\n".join(record.observation.missing)
        if not row["energy_per_step_uj"]:
            every = re.search(r"read, every (\d+) ms only", row["energy_missing"])
            return every is not None and int(every[1]) > 3 * tick_ms
        share = re.search(r"energy_window_mj: known to (\d+)%", missing)
        exact = max(EXACT, int(share[1]) / 100 if share else 0.0)
        return abs(float(row["energy_per_step_uj"]) - step_uj) <= exact * step_uj

    def records(self, track: str = "identical") -> list[Record]:
        """Return the records of a track of the only run."""
        lines = (self.folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
        return [record for record in map(from_json, lines) if record.cell.track == track]
