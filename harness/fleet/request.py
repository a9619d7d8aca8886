"""RUN.toml: which selection on which types of hosts, checked before anything is submitted.

shared = "/scratch/me"        the folder that all hosts see
time_limit = 120              minutes of a task
[run]                         options of `samestep run`
framework = "torch,jax"
[[hosts]]                     one table for each type
name = "h200"
gres = "gpu:h200:1"

What is typed on the command line beside it, or instead of it, becomes the same data and wins over the file's.
"""

import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from harness.errors import SelectionError
from harness.launchers.choose import LAUNCHERS
from harness.plan import request, selection
from harness.plan.request import Request, Setting
from harness.plan.selection import FIELDS
from harness.terminal.failures import explained

OF_REQUEST: Final = (*FIELDS, "measure", "profile", "device", "seed")
OF_SETTING: Final = (
    "launcher", "python", "cpus", "threads", "timeout", "blocks", "allow_shared_gpu", "alternate", "env", "data",
)  # fmt: skip
WHOLE: Final = ("seed", "threads", "blocks")
PATHS: Final = ("python", "data")
SWITCHES: Final = ("allow_shared_gpu", "alternate")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}")
WORD: Final = re.compile(r"[A-Za-z0-9_.:,&|()*\[\]=-]*")  # of a partition, a gres or a constraint
ALONE: Final = "workers"  # a launcher of `docker compose up`, which no scheduler starts
MOST_TASKS: Final = 1000  # in which a workload's blocks are split
MOST_MINUTES: Final = 366 * 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class HostType:
    """A type of hosts: what the scheduler is asked for."""

    name: str  # in tables and in the names of runs
    partition: str = ""  # empty: the scheduler's default
    gres: str = ""  # generic resources, such as "gpu:h200:1"; empty: none
    constraint: str = ""  # features of the hosts; empty: any
    tasks: int = 1  # in which the blocks of each workload are split


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRequest:
    """What RUN.toml asks for."""

    shared: Path
    options: tuple[tuple[str, str], ...]  # of `samestep run`, as they would be typed
    host_types: tuple[HostType, ...]
    time_limit_min: int = 240
    requeue: bool = True
    scratch: str = ""  # folder of a host for a task's files; empty: the one for temporary files
    runner: str = ""  # words of a command that runs a task's words, as in a container; empty: the task runs as it is


def read(path: Path | None, typed: Mapping[str, Any] | None = None) -> FleetRequest:
    """Return what the file asks for, and what was typed beside it or, with None, instead of it.

    Args:
        path: RUN.toml.
        typed: data as the file has them; each wins over the file's, and the hosts over all of the file's.

    Raises:
        SelectionError: the file cannot be read, or there is an unknown name or a wrong value.
    """
    typed = typed or {}
    data = _data(path) if path else {}
    whole = {**data, **typed}
    if typed.get("run") and isinstance(data.get("run", {}), dict):
        whole["run"] = {**data.get("run", {}), **typed["run"]}
    try:
        return parsed(whole)
    except SelectionError as error:
        beside = ", with what was typed beside it" if typed else ""
        raise SelectionError(f"{path}{beside}: {error}" if path else str(error)) from error


def _data(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise SelectionError(f"{path} cannot be read: {explained(error)}.") from error
    except tomllib.TOMLDecodeError as error:
        raise SelectionError(f"{path} is not TOML: {error}.") from error


def host_table(typed: str) -> dict[str, Any]:
    """Return a type of hosts as it was typed, such as "h200 gres=gpu:h200:1 tasks=3", as a table of the file."""
    name, *words = typed.split() or [""]
    pairs = (word.partition("=") for word in words)
    table = {key: int(value) if key == "tasks" and value.isdecimal() else value for key, _, value in pairs}
    return {"name": name, **table}


def parsed(data: Mapping[str, Any]) -> FleetRequest:
    """Return the request in the data of RUN.toml; raises SelectionError."""
    top = {"shared": str, "time_limit": int, "requeue": bool, "scratch": str, "runner": str, "run": dict, "hosts": list}
    _require("", data, top)
    if not data.get("shared"):
        raise SelectionError("No shared folder is named: shared = the path of one that all hosts see, or --shared.")
    types = tuple(_host_type(table) for table in data.get("hosts", ()))
    if not types:
        raise SelectionError("No hosts are named: a table [[hosts]] for each type, or --hosts 'NAME gres=…'.")
    if len({each.name for each in types}) < len(types):
        raise SelectionError("Two [[hosts]] have one name.")
    minutes = data.get("time_limit", 240)
    if not 1 < minutes <= MOST_MINUTES:
        raise SelectionError(f"time_limit = {minutes}: give minutes, from 2 to {MOST_MINUTES}.")
    options = tuple((name, _typed(name, value)) for name, value in data.get("run", {}).items())
    run_of(options)
    return FleetRequest(
        shared=Path(data["shared"]).expanduser().absolute(),
        options=options,
        host_types=types,
        time_limit_min=minutes,
        requeue=data.get("requeue", True),
        scratch=data.get("scratch", ""),
        runner=_runner(data.get("runner", "")),
    )


def run_of(options: tuple[tuple[str, str], ...]) -> tuple[Request, Setting]:
    """Return what `samestep run` would do with `options`; raises SelectionError."""
    given = dict(options)
    launcher = given.get("launcher", "venv")
    request.one_of("launcher of a fleet", launcher, tuple(name for name in LAUNCHERS if name != ALONE))
    asked = {name: given[name] for name in OF_REQUEST if name in given and name != "seed"}
    requested = request.parsed(seed=_whole("seed", given), **asked)
    setting = Setting(
        launcher=launcher,
        python=Path(given["python"]) if "python" in given else None,
        cpus=given.get("cpus"),
        threads=_whole("threads", given),
        timeout_s=request.seconds("timeout =", float(given["timeout"])) if "timeout" in given else None,
        blocks=_whole("blocks", given),
        shared_gpu=given.get("allow_shared_gpu") == "true",
        alternate=given["alternate"] == "true" if "alternate" in given else None,
        env=tuple(given["env"].split("\n")) if given.get("env") else (),
        data=Path(given["data"]) if "data" in given else None,
    )
    return requested, setting


def _runner(text: str) -> str:
    """Return the words of a command, as a shell would read them; raises SelectionError."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SelectionError(f"runner = {text!r} cannot be read as the words of a command: {error}.") from error
    if text and not words:
        raise SelectionError("runner has no words: leave it out, or give the command that runs a task.")
    return shlex.join(words)


def _host_type(table: Any) -> HostType:
    if not isinstance(table, dict):
        raise SelectionError("hosts is a list of tables: write [[hosts]].")
    kinds = {field.name: int if field.name == "tasks" else str for field in fields(HostType)}
    _require("hosts.", table, kinds)
    if not NAME.fullmatch(table.get("name", "")):
        raise SelectionError("Each of the [[hosts]] needs a name of letters, digits, - and _, as name = 'h200'.")
    for name in ("partition", "gres", "constraint"):
        if not WORD.fullmatch(table.get(name, "")):
            raise SelectionError(f"hosts.{name} = {table[name]!r} has a character that no such name has.")
    if not 1 <= table.get("tasks", 1) <= MOST_TASKS:
        raise SelectionError(f"hosts.tasks = {table['tasks']}: give a number from 1 to {MOST_TASKS}.")
    return HostType(**table)


def _require(above: str, data: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    """Raise SelectionError for a name that is unknown, or a value of another type."""
    words = {str: "text", int: "a whole number", bool: "true or false", dict: "a table", list: "a list of tables"}
    for name, value in data.items():
        kind = selection.known("key", name, kinds)
        if type(value) is not kind:
            raise SelectionError(f"{above}{name} is not {words[kind]}.")


def _typed(name: str, value: Any) -> str:
    """Return the value of an option as it would be typed; several --env are lines."""
    selection.known("option of run", name, dict.fromkeys((*OF_REQUEST, *OF_SETTING)))
    if name in SWITCHES and not isinstance(value, bool):
        raise SelectionError(f"run.{name} is true or false.")
    if name in WHOLE and (not isinstance(value, int) or isinstance(value, bool) or value < (name != "seed")):
        raise SelectionError(f"run.{name} is not a whole number{'' if name == 'seed' else ' of 1 or more'}.")
    if name == "timeout" and (not isinstance(value, int | float) or isinstance(value, bool)):
        raise SelectionError("run.timeout is not a number of seconds.")
    if name in PATHS and not (isinstance(value, str) and Path(value).is_absolute()):
        raise SelectionError(f"run.{name} is not an absolute path, which is the same on every host.")
    if isinstance(value, bool) and name in SWITCHES:
        return "true" if value else "false"
    if isinstance(value, list) and name in (*FIELDS, "measure", "env"):
        return ("\n" if name == "env" else ",").join(map(str, value))
    if isinstance(value, str) or name in (*WHOLE, "timeout") or (name == "batch" and type(value) is int):
        return str(value)
    raise SelectionError(f"run.{name} is not text.")


def _whole(name: str, given: Mapping[str, str]) -> int | None:
    return int(given[name]) if name in given else None
