"""The programs under `bench/loops`: which there are, their lines, and running one in its framework's environment."""

import ast
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.catalogue import FrameworkOffer
from bench.guests.interpreter import FOLDER as GUEST
from bench.lines import logical_lines
from bench.records.text import last_line
from bench.turns import variables
from bench.turns.supervise import end_group
from harness.environments.checkout import ROOT
from harness.environments.venvs import Environments
from harness.errors import SetupError

PROGRAMS: Final = ROOT / "bench" / "loops"
RUN: Final = PROGRAMS / "run.py"
OTHERS: Final = ("__init__.py", RUN.name)
TIMEOUT_S: Final = 600.0  # of one process; torch.compile takes a minute for 500 products on a slow core
THREADS: Final = "1"  # a product of two numbers has work for no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A loop in one framework and form."""

    framework: str
    form: str
    path: Path
    sentence: str  # the first line of its docstring
    every_lines: int  # logical lines of the function that returns each product
    last_lines: int  # of the one that returns the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """So many times x ← x · W."""

    steps: int
    x: float
    w: float

    @property
    def argument(self) -> str:
        """What `run.py` is told."""
        return f"{self.steps}:{self.x!r}:{self.w!r}"


def programs(folder: Path = PROGRAMS) -> tuple[Program, ...]:
    """Return the programs of `folder`, in the order of their names."""
    return tuple(_program(path) for path in sorted(folder.glob("*.py")) if path.name not in OTHERS)


def _program(path: Path) -> Program:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    functions = {node.name: ast.unparse(node) for node in tree.body if isinstance(node, ast.FunctionDef)}
    framework, _, form = path.stem.rpartition("_")
    return Program(
        framework=framework,
        form=form,
        path=path,
        sentence=(ast.get_docstring(tree) or "").partition("\n")[0],
        every_lines=logical_lines(functions["every"]),
        last_lines=logical_lines(functions["last"]),
    )


def interpreter(offer: FrameworkOffer, environments: Environments) -> Path:
    """Return the Python that runs a framework's programs: of its environment, or of the older one within."""
    folder = environments.folder(offer.name)
    guest = folder / GUEST / "bin" / "python"
    return guest if guest.exists() else folder / "bin" / "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a program runs."""

    python: Path
    environment: Sequence[Sequence[str]]  # what the framework's file sets, to be filled in
    scratch: Path  # working directory, home and caches of its processes


def run(program: Program, what: str, loops: Sequence[Loop], place: Place) -> Mapping[str, Any]:
    """Run a program in a fresh process; return what it found.

    Args:
        program: which.
        what: "time" or "stop", as `bench/loops/run.py` says.
        loops: the loops that it runs.
        place: where.

    Raises:
        SetupError: it fails, says nothing or takes too long; the message has its last words.
    """
    output, log = place.scratch / f"{what}.json", place.scratch / f"{what}.log"
    command = [str(place.python), "-u", "-s", str(RUN), str(program.path)]
    with log.open("wb") as printed:
        process = subprocess.Popen(
            [*command, what, str(output), *(each.argument for each in loops)],
            cwd=place.scratch,
            env=_variables(place),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        process.wait(TIMEOUT_S)
        found: Mapping[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"still running after {TIMEOUT_S:g} s") from error
    except (OSError, ValueError) as error:
        said = last_line(log.read_text(encoding="utf-8", errors="replace"))
        raise SetupError(said or f"it ended with exit code {process.returncode} and said nothing") from error
    finally:
        end_group(process)
    return found


def _variables(place: Place) -> dict[str, str]:
    folder = str(place.scratch)
    filled = {
        name: value.replace("{threads}", THREADS).replace("{scratch}", folder) for name, value in place.environment
    }
    return {**variables.measured(os.environ, place.scratch), "PYTHONDONTWRITEBYTECODE": "1", **filled}
