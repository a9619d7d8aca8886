"""Slurm behind the seam: sbatch, squeue, scancel and sinfo as processes; no library, no database (`sacct`) is needed.

`squeue -t all` shows an array's tasks until Slurm forgets them (MinJobAge, five minutes by default), so what ended is
known from the run's folder. Its plain output is the same in every release; that as JSON is not. It is asked at most
once in five seconds, whoever looks: the answer is kept in the run's folder.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.records import text as texts
from harness.errors import SetupError
from harness.fleet.request import HostType
from harness.fleet.scheduler import Array, Phase, Place, State
from harness.plan import selection
from harness.store.files import complete_file

EVERY_S: Final = 5.0  # between two questions
ANSWER: Final = ".squeue"  # file of the last answer
SECONDS: Final = 60.0  # that a command of Slurm may take
WARNED_S: Final = 60  # before the time limit the task is told to end
IDLE_S: Final = 5  # that an idle host may need to answer a question before anything is submitted
FORMAT: Final = "%K|%T|%N|%r|%j"  # index in the array, state, host, reason, name: a name has no "|", and is the last
WAITING: Final = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD")
RUNNING: Final = ("RUNNING", "COMPLETING", "STAGE_OUT", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING")
NO_REASON: Final = ("", "None")
FEATURE: Final = re.compile(r"[A-Za-z0-9_.:=-]+")
NO_SLURM: Final = "There is no Slurm here ({} is not found): log in where jobs are submitted."
PROGRAMS: Final = ("sbatch", "squeue", "scancel", "sinfo")
SAME: Final = ("ACCOUNT", "CLUSTERS", "PARTITION", "QOS", "RESERVATION")  # of SBATCH_… that srun calls SLURM_…


class Slurm:
    """The cluster that this host can submit to."""

    def __init__(self, folder: Path) -> None:
        """Keep the last answer of squeue in `folder`."""
        self._answer = folder / ANSWER

    def require(self, host_types: Collection[HostType]) -> None:
        """Raise SetupError where there is no Slurm here, SelectionError where it has no such hosts."""
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing:
            raise SetupError(NO_SLURM.format(missing[0]))
        rows = [line.split("|") for line in _run("sinfo", "-h", "-N", "-o", "%P|%G|%f|%N").splitlines()]
        hosts = [tuple(field.strip() for field in row) for row in rows if len(row) == 4]
        for each in host_types:
            _require_hosts(each, hosts)

    def ask(self, host_type: HostType, line: str) -> str | None:
        """Return what a line of a shell prints on a host that is idle now; None: none is, or this is a job already."""
        if "SLURM_JOB_ID" in os.environ:  # srun would ask the host of that job
            return None
        given = {f"SLURM_{name}": os.environ[f"SBATCH_{name}"] for name in SAME if os.environ.get(f"SBATCH_{name}")}
        words = ["--quiet", f"--immediate={IDLE_S}", "--nodes=1", "--ntasks=1", "--time=1", "--job-name=samestep-asks"]
        try:
            return _run("srun", *words, *_wanted(host_type), "sh", "-c", line, more=given)
        except SetupError:  # whatever it is, the tasks find it
            return None

    def submit(self, array: Array) -> None:
        """Hand over an array; raises SetupError when it is refused."""
        _run("sbatch", *submission(array))

    def poll(self, names: Collection[str]) -> Mapping[Place, State]:
        """Return the state of each task of these arrays; raises SetupError when Slurm does not answer."""
        if not names:
            return {}
        chosen = ",".join(sorted(names))
        return states(self._recent(chosen) or self._asked(chosen))

    def cancel(self, names: Collection[str]) -> None:
        """End these arrays' tasks; raises SetupError."""
        for name in names:
            _run("scancel", f"--name={name}")

    def _recent(self, chosen: str) -> str:
        try:
            if not 0 <= time.time() - self._answer.stat().st_mtime < EVERY_S:
                return ""
            asked, _, answer = self._answer.read_text(encoding="utf-8").partition("\n")
        except OSError:
            return ""
        return answer if asked == chosen else ""

    def _asked(self, chosen: str) -> str:
        answer = _run("squeue", "-h", "-r", "-t", "all", f"--name={chosen}", "-o", FORMAT) + "\n"
        try:
            with complete_file(self._answer, durable=False) as temporary:
                temporary.write_text(f"{chosen}\n{answer}", encoding="utf-8")
        except OSError:  # it is only kept so that squeue is not asked too often
            pass
        return answer


def submission(array: Array) -> list[str]:
    """Return the words of sbatch for an array.

    `--signal=B:` tells the batch script itself, which is the task, a minute before the time limit.
    """
    kind = array.host_type
    words = [
        f"--job-name={array.name}",
        f"--array=0-{array.count - 1}",
        "--nodes=1",
        "--exclusive",
        f"--time={array.time_limit_min}",
        f"--signal=B:TERM@{WARNED_S}",
        "--requeue" if array.requeue else "--no-requeue",
        f"--output={array.logs}/%x-%a.log",
        "--open-mode=append",
    ]
    words += _wanted(kind)
    words += [f"--exclude={','.join(array.excluded)}"] if array.excluded else []
    return [*words, str(array.script), *array.arguments]


def _wanted(kind: HostType) -> list[str]:
    """Return the options that ask for a host of a type."""
    given = {"partition": kind.partition, "gres": kind.gres, "constraint": kind.constraint}
    return [f"--{name}={value}" for name, value in given.items() if value]


def states(answer: str) -> Mapping[Place, State]:
    """Return what the lines of squeue say, by array and index; of a task that is there twice the living one."""
    found: dict[Place, State] = {}
    for line in answer.splitlines():
        fields = line.split("|", 4)
        if len(fields) < 5 or not fields[0].strip().isdigit():
            continue
        index, word, host, reason, name = (field.strip() for field in fields)
        state = State(phase=_phase(word), word=word, host=host, reason="" if reason in NO_REASON else reason)
        place = (name, int(index))
        if place not in found or found[place].phase == "ended":
            found[place] = state
    return found


def _phase(word: str) -> Phase:
    return "pending" if word in WAITING else "running" if word in RUNNING else "ended"


def _require_hosts(kind: HostType, hosts: Sequence[Sequence[str]]) -> None:
    """Raise SelectionError unless some host has what the type asks for.

    Args:
        kind: the type.
        hosts: partition, generic resources, features and name of each.
    """
    partitions = {host[0].rstrip("*") for host in hosts}
    if kind.partition:
        for name in kind.partition.split(","):
            selection.known("partition", name, dict.fromkeys(sorted(partitions)))
    wanted = kind.partition.split(",") if kind.partition else [each[0].rstrip("*") for each in hosts if "*" in each[0]]
    there = [host for host in hosts if host[0].rstrip("*") in wanted] or list(hosts)
    if kind.gres:
        offered = {name for host in there for one in host[1].split(",") for name in _resources(one)}
        for one in kind.gres.split(","):
            name = re.sub(r":\d+[kmg]?$", "", one, flags=re.IGNORECASE)
            selection.known(f"resource for the hosts {kind.name}:", name, dict.fromkeys(sorted(offered)))
    offered = {feature for host in there for feature in host[2].split(",")}
    for feature in FEATURE.findall(re.sub(r"\*\d+", "", kind.constraint)):
        selection.known(f"feature for the hosts {kind.name}:", feature, dict.fromkeys(sorted(offered)))


def _resources(text: str) -> list[str]:
    """Return the names by which a resource can be asked for: gpu:h200:8(S:0-1) is gpu:h200 and gpu."""
    parts = text.partition("(")[0].split(":")
    parts = parts[:-1] if parts[-1].isdigit() else parts
    return [":".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _run(*words: str, more: Mapping[str, str] | None = None) -> str:
    """Run a command of Slurm, with `more` variables; return what it printed; raises SetupError."""
    try:
        done = subprocess.run(
            words,
            env={**os.environ, **(more or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise SetupError(NO_SLURM.format(words[0])) from error
    except subprocess.TimeoutExpired as error:
        raise SetupError(
            f"Slurm does not answer ({words[0]} took {SECONDS:.0f} s): see whether `sinfo` works."
        ) from error
    if done.returncode:
        lines = [
            texts.line(line).removeprefix(f"{words[0]}: ").removeprefix("error: ") for line in done.stderr.splitlines()
        ]
        said = "; ".join(filter(None, lines[:2])) or f"exit code {done.returncode}"
        raise SetupError(f"Slurm refuses ({words[0]}): {said}.")
    return done.stdout
