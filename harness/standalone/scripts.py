"""The programs without samestep as processes: starting them, and reading the rounds that they print."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.guests import node
from bench.records.record import Cell
from bench.records.text import last_line
from bench.turns import variables
from bench.turns.supervise import end_group
from harness.environments.checkout import ROOT
from harness.errors import SetupError
from harness.plan.models import export_of
from harness.standalone.alternate import FreeRunning, Round
from harness.store.folder import RunFolder

SCRIPTS: Final = Path(__file__).resolve().parent / "programs"
REGRESSION: Final = "regression"
TIMEOUT_S: Final = 300.0
MODEL: Final = "SAMESTEP_MODEL"
PYTHON: Final = ".py"
NODE: Final = ".mjs"


def script_of(cell: Cell) -> Path | None:
    """Return the script of a cell, in Python or for node; None: it has none. The regression's have no folder."""
    folder = "" if cell.workload == REGRESSION else f"{cell.workload}/"
    folder += "inference/" if cell.batch else ""
    paths = (SCRIPTS / f"{folder}{cell.framework}{ending}" for ending in (PYTHON, NODE))
    return next((path for path in paths if path.is_file()), None)


class Scripts:
    """Starts the stand-alone scripts, each in a fresh process of its framework's environment."""

    def __init__(self, python: Mapping[str, Path], cpus: Sequence[int], scratch: Path, folder: RunFolder) -> None:
        self._python = python
        self._cpus = tuple(cpus)
        self._scratch = scratch
        self._folder = folder

    def start(self, cell: Cell, rounds: int, fit_steps: int) -> "Script":
        """Start the script of `cell`; a trainer runs fits of `fit_steps` steps and of twice that.

        Raises:
            SetupError: it has no script, or there is no model for it to run.
        """
        if (script := script_of(cell)) is None:
            raise SetupError(f"{cell.framework} has no stand-alone script of {cell.workload}")
        python = self._python[cell.framework]
        program = [node.PROGRAM] if script.suffix == NODE else [str(python), "-P"]
        caches = self._scratch / cell.framework  # kept from block to block: only steady steps are compared
        caches.mkdir(exist_ok=True)
        output = self._scratch / "output"
        with output.open("w") as file:
            process = subprocess.Popen(
                [*program, script, *self._arguments(cell, caches)],
                cwd=caches,
                env={
                    **variables.measured(os.environ, caches),
                    "ROUNDS": str(rounds),
                    "STEPS": str(fit_steps),
                    "PACKAGES": str(python.parent.parent / node.MODULES.name),
                },
                preexec_fn=lambda: os.sched_setaffinity(0, self._cpus),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Script(f"{script.relative_to(ROOT)} {cell.mode}", process, output)

    def _arguments(self, cell: Cell, caches: Path) -> list[str]:
        """Return the mode; where the cell runs a model the path of that, and its batch where one is stated.

        The file has the name that the suite gives it: some engines go by its ending.
        """
        offers = self._folder.facts().frameworks
        if (source := export_of(offers, cell)) is None:
            return [cell.mode]
        models = (record.export for record in self._folder.records() if record.cell == source and record.export)
        model = next(models, None)
        if model is None:
            raise SetupError(f"there is no model from {source.framework} to run")
        offer = next(offer for offer in offers if offer.name == cell.framework)
        path = caches / next(Path(value).name for name, value in offer.environment if name == MODEL)
        path.unlink(missing_ok=True)
        path.symlink_to(Path(self._folder.models.artifact(model.sha256).path).resolve())
        return [cell.mode, str(path), *([str(cell.batch)] if cell.batch else [])]


class Script:
    """A running stand-alone script."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], output: Path) -> None:
        self._name = name
        self._process = process
        self._output = output
        self.turns = FreeRunning(process.pid, is_ready=lambda: "rounds" in self._lines(), has_ended=self.has_ended)

    def _printed(self) -> str:
        return self._output.read_text(errors="replace")

    def _lines(self) -> list[str]:
        return self._printed().splitlines()

    def has_ended(self) -> bool:
        """Return whether it has."""
        return self._process.poll() is not None

    def rounds(self) -> list[Round]:
        """Let it run to its end and return its rounds.

        Raises:
            SetupError: it failed, printed nothing or took too long.
        """
        name = self._name
        self.turns.finish()
        try:
            self._process.wait(TIMEOUT_S)
            result = json.loads(next(line for line in reversed(self._lines()) if line.startswith("{")))
            return [_round(*each) for each in result["rounds"]]
        except subprocess.TimeoutExpired as error:
            raise SetupError(f"{name}: still running after {TIMEOUT_S:g} s") from error
        except (ValueError, TypeError, StopIteration, KeyError) as error:
            raise SetupError(f"{name}: {last_line(self._printed()) or 'it printed nothing'}") from error
        finally:
            end_group(self._process)


def _round(begin_ns: int, end_ns: int, steps: int, cpu_ns: int | None = None) -> Round:
    return Round(begin_ns=begin_ns, end_ns=end_ns, steps=steps, cpu_ns=cpu_ns)
