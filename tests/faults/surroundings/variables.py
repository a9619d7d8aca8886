"""Variables of the caller's shell: none that the user did not name reaches a replicate, and none ends the command."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.faults.outcome import OTHER, Wrong
from tests.faults.room import Environ, Room, stands, whole, works
from tests.faults.surroundings.case import Case, Plant, case

CASES: Final[list[Case]] = []

# Switches that change what a framework computes, or how fast. The run has to be as without them.
POLLUTING: Final[Mapping[str, Mapping[str, str]]] = {
    "the interpreter traces memory": {"PYTHONTRACEMALLOC": "25"},
    "the interpreter is in development mode": {"PYTHONDEVMODE": "1"},
    "asserts are left out": {"PYTHONOPTIMIZE": "2"},
    "warnings are errors": {"PYTHONWARNINGS": "error"},
    "the interpreter reports its imports": {"PYTHONPROFILEIMPORTTIME": "1", "PYTHONVERBOSE": ""},
    "the interpreter's own allocator checks": {"PYTHONMALLOC": "debug", "MALLOC_PERTURB_": "165", "MALLOC_CHECK_": "3"},
    "threads of BLAS": {"OMP_NUM_THREADS": "7", "OPENBLAS_NUM_THREADS": "7", "MKL_NUM_THREADS": "7"},
    "processor features switched off": {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3", "OPENBLAS_CORETYPE": "Nehalem"},
    "switches of XLA and JAX": {
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "JAX_ENABLE_X64": "1", "JAX_DEBUG_NANS": "1",
    },
    "inside a job of Slurm": {
        "SLURM_NTASKS": "4", "SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_JOB_NODELIST": "n1",
    },
    "inside torchrun": {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "no", "MASTER_PORT": "1"},
    "pytest's own options": {"PYTEST_ADDOPTS": "--collect-only -x", "PYTEST_PLUGINS": "no_such_plugin"},
    "coverage of subprocesses": {"COVERAGE_PROCESS_START": "/nonexistent/.coveragerc"},
    "a notebook's backend for plots": {"MPLBACKEND": "module://no_such_backend"},
    "a profiler": {"PYTHONPERFSUPPORT": "1", "PYTHONFAULTHANDLER": "1", "PYTHONDUMPREFS": "1"},
    "a shell of another locale": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "LANGUAGE": "tr"},
    "an odd time zone": {"TZ": "XXX-25:99:99"},
    "a time zone that is a file": {"TZ": ":/etc/passwd"},
    "a desktop's variables": {"DISPLAY": ":99", "XDG_RUNTIME_DIR": "/nonexistent", "DBUS_SESSION_BUS_ADDRESS": "x"},
}  # fmt: skip
ODD: Final[Mapping[str, Environ]] = {
    "no HOME": {"HOME": None},
    "HOME that is not there": {"HOME": "/nonexistent/é 名前"},
    "HOME that is a file": {"HOME": "/etc/passwd"},
    "an empty PATH": {"PATH": ""},
    "a value that is not UTF-8": {"WEIRD": b"caf\xe9\xff"},
    "a name that is not UTF-8": {"SPACE IN NAME": "1", "é": "2"},
    "a value with newlines and an escape sequence": {"PS1": "\x1b[31m\n\\u@\\h\n$ "},
    "a value of 100 kB": {"LARGE": "x" * 100_000},
    "a thousand variables": {f"NUMBER_{n}": str(n) for n in range(1000)},
    "a terminal of ten columns": {"COLUMNS": "10"},
    "COLUMNS that is no number": {"COLUMNS": "wide", "LINES": "-5"},
    "COLUMNS below zero": {"COLUMNS": "-5"},
    "no COLUMNS, TERM=dumb": {"COLUMNS": None, "TERM": "dumb"},
    "no TERM": {"TERM": None},
    "a library that cannot be preloaded": {"LD_PRELOAD": "/nonexistent/lib.so"},
    "the user's own packages": {"PYTHONUSERBASE": "/nonexistent", "PYTHONNOUSERSITE": ""},
    "no bytecode": {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": "/nonexistent/é"},
    "another import system": {"PYTHONSAFEPATH": "1", "PYTHONCASEOK": "1", "PYTHONPLATLIBDIR": "lib"},
    "integers of few digits": {"PYTHONINTMAXSTRDIGITS": "640"},
}


def _polluted(variables: Mapping[str, str]) -> Plant:
    def plant(room: Room) -> Iterator[Wrong]:
        yield from works(room.run(environ=variables))
        yield from whole(room.folder())
        yield from _reached(room, variables)

    return plant


def _odd(variables: Environ) -> Plant:
    def plant(room: Room) -> Iterator[Wrong]:
        yield from works(room.run(environ=variables))
        yield from whole(room.folder())

    return plant


CASES.extend(Case(name=name, plant=_polluted(given), short=False) for name, given in POLLUTING.items())
CASES.extend(Case(name=name, plant=_odd(given), short=False) for name, given in ODD.items())


def _reached(room: Room, variables: Mapping[str, str]) -> Iterator[Wrong]:
    """Yield the variables that a replicate had although nobody named them, and a record that does not tell."""
    told = False
    for record in _records(room.folder().records_path):
        environment = record.get("environment") or {}
        had = dict(
            text.partition("=")[::2] for text in (*environment.get("variables", ()), *environment.get("flags", ()))
        )
        told = told or bool(environment.get("variables"))
        # Those that the framework's file or samestep set have another value.
        if reached := [name for name, value in variables.items() if had.get(name) == value]:
            yield Wrong(of=OTHER, what=f"{reached[0]} reached a replicate")
            return
    if not told:
        yield Wrong(of=OTHER, what="no record says which variables its process had")


TEN: Final[Mapping[str, str]] = {
    "PYTHONTRACEMALLOC": "25", "MALLOC_PERTURB_": "165", "OMP_NUM_THREADS": "7", "OPENBLAS_CORETYPE": "Nehalem",
    "JAX_ENABLE_X64": "1", "XLA_FLAGS": "--xla_cpu_enable_fast_math=true", "NOOPT": "1", "SLURM_NTASKS": "4",
    "MPLBACKEND": "module://no_such_backend", "PYTHONOPTIMIZE": "2",
}  # fmt: skip


@case("ten polluting variables against none: the same records but for the time", short=True, into=CASES)
def _ten(room: Room) -> Iterator[Wrong]:
    yield from works(room.run())
    yield from works(room.run(environ=TEN))
    if len(room.folders()) != 2:
        return
    clean, polluted = (
        {_replicate(record): record for record in _records(folder.records_path)} for folder in room.folders()
    )
    for replicate in sorted(set(clean) & set(polluted)):
        for path in _differences(_but_for_time(clean[replicate]), _but_for_time(polluted[replicate])):
            yield Wrong(of=OTHER, what=f"ten variables changed {path} of {replicate}")
            return
    if missing := set(clean) ^ set(polluted):
        yield Wrong(of=OTHER, what=f"only one of the runs has {sorted(missing)[0]}")


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _replicate(record: dict[str, Any]) -> str:
    return f"{' '.join(map(str, record['cell'].values()))} block {record['block']} attempt {record['attempt']}"


def _but_for_time(record: dict[str, Any]) -> dict[str, Any]:
    """Return what a record says besides durations, sizes of memory and what was observed of the machine."""
    kept = ("cell", "block", "position", "attempt", "status", "reason", "accuracy", "proof", "environment", "schema")
    data: dict[str, Any] = {name: record.get(name) for name in kept}
    if data["environment"]:
        data["environment"] = {
            name: _without_folders(value) if name in ("variables", "flags") else value
            for name, value in data["environment"].items()
            if name != "ran_on"
        }
    data["steps per call"] = (record.get("timing") or {}).get("steps_per_call")
    return data


def _without_folders(variables: Sequence[str]) -> list[str]:
    """Return variables without those that name the folder of one replicate."""
    return [each for each in variables if "/tmp" not in each and "samestep" not in each]


def _differences(a: Any, b: Any, at: str = "") -> Iterator[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in {**a, **b}:
            yield from _differences(a.get(key), b.get(key), f"{at}.{key}".lstrip("."))
    elif a != b:
        yield f"{at} ({str(a)[:80]} became {str(b)[:80]})"


@case("PYTHONPATH with a NumPy of another Python", into=CASES)
def _pythonpath(room: Room) -> Iterator[Wrong]:
    """A module system's or ROS's."""
    planted = _module(room, "numpy", "raise ImportError('built for another Python')")
    yield from stands(room.samestep("list", environ={"PYTHONPATH": str(planted)}))
    yield from stands(room.run(environ={"PYTHONPATH": str(planted)}))


@case("a sitecustomize that sleeps and prints", into=CASES)
def _sitecustomize(room: Room) -> Iterator[Wrong]:
    """It reaches the command itself, and must not reach a replicate."""
    mark = room.scratch / "reached"
    code = f"import sys\nif 'turn' in sys.orig_argv: open({str(mark)!r}, 'w')"
    yield from works(room.run(environ={"PYTHONPATH": str(_module(room, "sitecustomize", code))}))
    if mark.exists():
        yield Wrong(of=OTHER, what="a sitecustomize.py in PYTHONPATH ran in a replicate")


def _module(room: Room, name: str, code: str) -> Path:
    folder = room.scratch / "planted"
    folder.mkdir()
    (folder / f"{name}.py").write_text(code, encoding="utf-8")
    return folder


@case("modules named like ours and NumPy's in the working folder", into=CASES)
def _working_folder(room: Room) -> Iterator[Wrong]:
    for name in ("numpy", "random", "json", "bench", "harness", "typing"):
        (room.scratch / f"{name}.py").write_text("raise RuntimeError('a file of the user')\n", encoding="utf-8")
    yield from works(room.run())


@case("another repository's GIT_DIR, as a hook exports it", into=CASES)
def _git(room: Room) -> Iterator[Wrong]:
    foreign = room.scratch / "foreign"
    foreign.mkdir()
    room.end(room.start("list"))  # the command works at all
    import subprocess

    done = subprocess.run(["git", "init", "-q", str(foreign)], check=False)
    subprocess.run(
        [
            "git",
            "-C",
            str(foreign),
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@x",
            "commit",
            "-q",
            "--allow-empty",
            "-mx",
        ],
        check=False,
    )
    if done.returncode:
        return
    yield from works(room.run(environ={"GIT_DIR": str(foreign / ".git"), "GIT_WORK_TREE": str(foreign)}))
    theirs = subprocess.run(
        ["git", "-C", str(foreign), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if room.folder().facts().commit == theirs.stdout.strip():
        yield Wrong(of=OTHER, what="run.json has the commit of another repository")


@case("no variables at all", into=CASES)
def _none(room: Room) -> Iterator[Wrong]:
    yield from works(room.run(empty=True))


@case("SAMESTEP_RESULTS that is a file", into=CASES)
def _results_is_a_file(room: Room) -> Iterator[Wrong]:
    path = room.scratch / "a-file"
    path.write_text("", encoding="utf-8")
    for command in (
        ("report",),
        ("plan", "--framework", "numpy"),
        ("run", "--framework", "numpy", "--launcher", "here"),
    ):
        yield from stands(room.samestep(*command, environ={"SAMESTEP_RESULTS": str(path)}))


def _tmpdir(prepare: Callable[[Path], Path], name: str) -> None:
    def plant(room: Room) -> Iterator[Wrong]:
        folder = prepare(room.scratch)
        ended = room.run(environ={"TMPDIR": str(folder)})
        yield from stands(ended)
        if room.folders() and ended.code == 0:
            yield from whole(room.folder())

    CASES.append(Case(name=f"TMPDIR {name}", plant=plant, short=False))


def _made(scratch: Path, name: str | bytes) -> Path:
    folder = (
        scratch / name
        if isinstance(name, str)
        else Path(bytes(scratch).decode() + "/" + name.decode("utf-8", "surrogateescape"))
    )
    folder.mkdir()
    return folder


_tmpdir(lambda scratch: _made(scratch, "with a space"), "with a space")
_tmpdir(lambda scratch: _made(scratch, "名前 é"), "that is not ASCII")
_tmpdir(lambda scratch: _made(scratch, b"caf\xe9"), "that is not UTF-8")
_tmpdir(lambda scratch: _made(scratch, "a\nb\x1b[31m"), "with a newline and an escape sequence")
_tmpdir(lambda scratch: scratch / "nowhere", "that is not there")
_tmpdir(lambda scratch: Path("tmp"), "that is relative")
_tmpdir(lambda scratch: Path("/dev/null"), "that is a file")
_tmpdir(lambda scratch: _made(scratch, "d" * 200), "with a name of 200 characters")
