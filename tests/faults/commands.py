"""Mutated command lines of every command. Commands and options are read from the command line's own definition."""

import contextlib
import os
import random
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import typer.main
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from bench.catalogue import catalogue
from harness.cli import app
from harness.launchers.choose import LAUNCHERS
from harness.plan.profiles import PROFILES
from harness.report.exporters import EXPORTERS
from harness.report.tables.all import TABLES
from tests.faults import bases, inside, rules
from tests.faults.outcome import Outcome

KIND: Final = "commands"
SENTENCE: Final = "command lines of every command with odd, wrong and contradictory options; none begins to measure"
LONG: Final = 300
Command = TyperCommand | TyperGroup
Parameter = TyperOption | TyperArgument
ODD: Final[Sequence[str]] = (
    "", " ", ",", ",,", "a,,b", "-", "--", "-1", "0", "1", "2", "3.5", "1e9", "1e400", "-1e400", "nan", "inf", "-inf",
    "99999999999999999999999", "1_000", "0x10", "١", "½", "true", "None", "null", "*", "?", "[a-z]", "{a,b}", "~",
    "~root", "$HOME", "$(true)", "`true`", ";", "|", "&&", ">", "'", '"', "\\", "%s", "%d", "{0}", "{cell}", "[bold]",
    "[/]",
    "#", "=", "a=b", "mode=eager", ":", "::", "a:b", ":mode=eager", "good:mode=", "good:mode=eager", "good:nothing=1",
    "\x00", "a\x00b", "\x1b[31mred", "\x1b]0;t\x07", "\x07", "a\nb", "a\r", "\t", "\udcff", "\ud800", "é", "名前", "🚂",
    "\u202e", "\u200b", "numpy ", "NUMPY", "numpy,numpy", "numpie", "eagre", "all", "auto", "latest", "LATEST", "good",
    "good/", "./results/good", "results/good/run.json", "results/..", ".", "/dev/null", "/dev/full",
    "/proc/self/mem", "/dev/null/x", "a-file", "a-file/x", "a-link", "a-loop", "a-closed-folder", "an-empty-folder",
    "a b", "a-program", "0-", "-3", "0-0", "1-0", "0,0", "0-99999999", "0-9999999999999999", "4096", "0,,1", "0 1",
    "x" * LONG, "x" * 5_000, "x" * 200_000, "a," * 50_000, "./" * 200, "9" * 4_301, "-" * 50, "time,memory,energy",
    "slower", "undetermined", "10%", "-5%", "101%", "1e400%", "A=B", "A=", "=B", "A", "PATH=", "LD_PRELOAD=/x.so",
)  # fmt: skip
MUCH: Final = ("10000000", "9" * 18)
PLAIN: Final[Mapping[str, Sequence[str]]] = {  # by command: what a user would type first
    "run": ("--framework", "numpy", "--mode", "eager", "--profile", "quick", "--launcher", "here"),
    "plan": ("--framework", "numpy", "--mode", "eager", "--profile", "quick"),
    "report": ("good",),
    "compare": ("good", "good"),
    "faults": ("good",),
}


class Commands:
    """Plants a command line for each number."""

    def __init__(self, seed: int, folder: Path) -> None:
        """Type in a folder under `folder`, which has one run."""
        self._seed = seed
        self._folder = folder
        self._run, *_ = bases.make(folder / "bases")
        self._names = _names()
        self._commands = list(every_command())
        self._weights = [1 + len(parameters_of(command)) for _, command in self._commands]

    def one(self, number: int) -> Outcome:
        """Type one command line in a folder of its own, and judge how it ended."""
        rng = random.Random(f"{self._seed}/{KIND}/{number}")
        command = self.typed(rng)
        with tempfile.TemporaryDirectory(prefix="typed-", dir=self._folder) as name, contextlib.chdir(name):
            furnish(Path(name), self._run)
            wrong = rules.judged(inside.samestep(command, Path(name)))
        return Outcome(kind=KIND, number=number, planted=_one_line(command), wrong=wrong)

    def typed(self, rng: random.Random) -> list[str]:
        """Return a command line: a plain one, with some options that are odd or valid, then perhaps mixed up."""
        path, command = rng.choices(self._commands, self._weights)[0]
        words = list(PLAIN.get(path[-1] if path else "", ())) if rng.random() < 0.7 else []
        for _ in range(rng.choices((0, 1, 2, 3, 6), (5, 45, 25, 15, 10))[0]):
            parameters = parameters_of(command)
            words += self._option(rng, rng.choice(parameters)) if parameters else [rng.choice(ODD)]
        if rng.random() < 0.15:
            words = _mixed(rng, words)
        return [*path, *words]

    def _option(self, rng: random.Random, parameter: Parameter) -> list[str]:
        if isinstance(parameter, TyperArgument):
            return [self._value(rng, parameter)]
        name = rng.choice([*parameter.opts, *parameter.secondary_opts])
        if parameter.is_flag:
            return [name if rng.random() < 0.9 else f"{name}={rng.choice(ODD)}"]
        value = self._value(rng, parameter)
        typed = [f"{name}={value}"] if name.startswith("--") and rng.random() < 0.3 else [name, value]
        return typed if rng.random() < 0.9 else [*typed, name, self._value(rng, parameter)]

    def _value(self, rng: random.Random, parameter: Parameter) -> str:
        """Return a value of a parameter: one of those that its name suggests, or an odd one."""
        known = self._names.get(parameter.name or "", ())
        if known and rng.random() < 0.5:
            return rng.choice(known) if rng.random() < 0.7 else ",".join(rng.choices(known, k=rng.choice((2, 3))))
        return rng.choice(MUCH) if rng.random() < 0.03 else rng.choice(ODD)


def every_command() -> Iterator[tuple[tuple[str, ...], Command]]:
    """Yield every command with the words that call it, those that have commands of their own as well."""
    waiting: list[tuple[tuple[str, ...], object]] = [((), typer.main.get_command(app))]
    for path, command in waiting:
        assert isinstance(command, Command), f"{' '.join(path)} is no command of typer"
        yield path, command
        if isinstance(command, TyperGroup):
            waiting += [((*path, name), inner) for name, inner in command.commands.items()]


def parameters_of(command: Command) -> list[Parameter]:
    """Return the options and arguments of a command."""
    return [parameter for parameter in command.params if isinstance(parameter, Parameter)]


def _mixed(rng: random.Random, words: list[str]) -> list[str]:
    """Return the words in disorder: one lost, one more, two swapped, twice over, an option that there is not."""
    how = rng.randrange(5)
    if how == 0 and words:
        words.pop(rng.randrange(len(words)))
    elif how == 1:
        words.insert(rng.randrange(len(words) + 1), rng.choice(ODD))
    elif how == 2:
        rng.shuffle(words)
    elif how == 3:
        words *= 2
    else:
        words.insert(
            rng.randrange(len(words) + 1), rng.choice(("--no-such-option", "-x", "--", "--help", "--fram", "---"))
        )
    return words


def _names() -> Mapping[str, Sequence[str]]:
    """Return valid names, by the parameter that takes them."""
    offer = catalogue()
    frameworks = [framework.name for framework in offer.frameworks]
    return {
        "framework": frameworks,
        "frameworks": [*frameworks, "harness"],
        "workload": [workload.name for workload in offer.workloads],
        "mode": sorted({mode.name for framework in offer.frameworks for mode in framework.modes} | {"hello"}),
        "optimizer": ["adam", "sgd", "none"],
        "size": sorted({size for workload in offer.workloads for size in workload.sizes}),
        "precision": list(offer.precisions),
        "allocator": ["default"],
        "measure": ["time", "memory", "energy", "cold"],
        "profile": list(PROFILES),
        "device": ["cpu", "cuda"],
        "launcher": [*LAUNCHERS, "auto"],
        "format": [*EXPORTERS, "json", "line"],
        "table": list(TABLES),
        "fail_on": ["slower", "faster", "undetermined", "not-comparable", "unmatched"],
        "run": ["good", "latest"],
        "resume": ["good", "latest"],
        "results": ["results", "an-empty-folder"],
        "cpus": ["0", "1", "0-1", "1-0", "0,0", "0-99999999", "0-9999999999999999", "4096", "-1", "0x1", "١"],
        "threads": ["1", "2", "1000", "0", "-1", "2147483648", "9" * 30],
        "timeout": ["0.1", "10", "inf", "nan", "-inf", "1e400", "0", "1e-320"],
        "blocks": ["1", "2", "100", "0", "1000000000", "9" * 30],
        "seed": ["0", "-1", "9" * 30, "1e3", "2147483648"],
        "python": ["a-program", "a-file", "a-link", "an-empty-folder", "python3", "\x00", "x" * 5_000],
        "a": ["good", "good:mode=eager", ":mode=eager", "good:mode=", "latest", "good:" + "a=b," * 50, "x" * 300],
        "b": ["good", ":mode=eager", "good:nothing=1", ":framework=jax,mode=jit", ":" + "x" * 300],
    }


def furnish(folder: Path, run: Path) -> None:
    """Put into the folder what the command lines name."""
    shutil.copytree(run, folder / "results" / "good")
    (folder / "a-file").write_text("not a folder\n", encoding="utf-8")
    (folder / "a-link").symlink_to("nowhere")
    (folder / "a-loop").symlink_to("a-loop")
    (folder / "an-empty-folder").mkdir()
    (folder / "a-closed-folder").mkdir(mode=0)
    (folder / "a-program").write_text("#!/bin/sh\necho numpy\n", encoding="utf-8")
    (folder / "a-program").chmod(0o755)


def _one_line(command: Sequence[str]) -> str:
    shown = (
        os.fsencode(word).decode(errors="backslashreplace") if word.isprintable() else ascii(word) for word in command
    )
    return " ".join(f"{word[:60]}… ({len(word)} characters)" if len(word) > 80 else word or "''" for word in shown)
