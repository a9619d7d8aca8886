"""The state of each task: what the folder has, and where it has nothing, what the scheduler says of it."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from harness.errors import INTERRUPTED
from harness.fleet import attempts
from harness.fleet.attempts import INFRASTRUCTURE, MOST_ATTEMPTS
from harness.fleet.folder import Attempt, FleetFolder, Submission
from harness.fleet.scheduler import Place, Scheduler, State
from harness.fleet.split import Task
from harness.report.words import count

Word = Literal["PENDING", "RUNNING", "RETRY", "DONE", "ERROR", "LOST", "CANCELLED"]
FINAL: Final[tuple[Word, ...]] = ("DONE", "ERROR", "CANCELLED")
GRACE_S: Final = 30.0  # after a submission, in which the scheduler need not know it yet
HOST_LOST: Final = ("NODE_FAIL", "BOOT_FAIL", "PREEMPTED")
LONG_S: Final = 600.0  # that a host may be waited for before a hint is given


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """Where a task stands."""

    task: Task
    word: Word  # LOST: it has to be submitted again
    host: str = ""
    reason: str = ""
    tries: int = 0  # attempts that count
    lost: Attempt | None = None  # the attempt on a host that was lost

    def __str__(self) -> str:
        """Return a line for people."""
        where = f"@{self.host}" if self.word in ("RUNNING", "DONE") and self.host else ""
        retry = f" {self.tries}" if self.word == "RETRY" else ""
        reason = f"  ({self.reason})" if self.reason else ""
        return f"{self.task}  {self.word}{retry}{where}{reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All tasks of a run at one moment."""

    tasks: tuple[TaskState, ...]
    excluded: tuple[str, ...]  # hosts that get no more of them
    doubles: tuple[str, ...]  # names of second results

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return all(state.word in FINAL for state in self.tasks)

    @property
    def lost(self) -> tuple[TaskState, ...]:
        """The tasks to be submitted again."""
        return tuple(state for state in self.tasks if state.word == "LOST")

    def __str__(self) -> str:
        """Return how many tasks stand where."""
        counts = Counter(state.word for state in self.tasks)
        return f"{count(len(self.tasks), 'task')}: " + ", ".join(
            f"{number} {word}" for word, number in sorted(counts.items())
        )


def standing(folder: FleetFolder, scheduler: Scheduler, now_s: float | None = None) -> Standing:
    """Return where all tasks of a run stand.

    Args:
        folder: of the run.
        scheduler: asked once, for what has no result.
        now_s: the time; None: that of this moment.

    Raises:
        StoreError: the folder cannot be read.
        SetupError: the scheduler does not answer.
    """
    now = time.time() if now_s is None else now_s
    done = folder.done()
    submissions = folder.submissions()
    latest = {number: submission for submission in submissions for number in submission.tasks}
    counts = Counter(number for submission in submissions for number in submission.tasks)
    asked = {submission.name for submission in submissions if not done.keys() >= set(submission.tasks)}
    polled = scheduler.poll(asked) if asked else {}
    known = folder.attempts()
    found = []
    for task in folder.fleet.tasks:
        if task.number in done:
            found.append(TaskState(task=task, word="DONE", host=done[task.number].host))
            continue
        tried = known.get(task.number, ())
        current = latest.get(task.number)
        said = polled.get(_place(task, current)) if current else None
        age_s = now - current.submitted_unix_ns / 1e9 if current else GRACE_S
        tries = max(attempts.count(tried), counts[task.number] - _refused(tried))
        state = _state(task, tried, current, said, age_s=age_s, tries=tries)
        found.append(_cancelled(state) if folder.is_cancelled else state)
    lost = [state.lost for state in found if state.lost]
    earlier = [each for several in known.values() for each in several[:-1] if each.ended is None]
    return Standing(
        tasks=tuple(found),
        excluded=attempts.bad_hosts(known, (*lost, *earlier), _never_began(submissions, polled, known)),
        doubles=folder.doubles(),
    )


def _never_began(
    submissions: Sequence[Submission], polled: Mapping[Place, State], known: Mapping[int, Sequence[Attempt]]
) -> Iterator[str]:
    """Yield the host of each task that ended there before it could write to the folder."""
    for submission in submissions:
        for index, number in enumerate(submission.tasks):
            said = polled.get((submission.name, index))
            if said and said.phase == "ended" and said.host and not _of(known.get(number, ()), submission):
                yield said.host


def _refused(tried: Sequence[Attempt]) -> int:
    """Return how many attempts a bad host has refused."""
    return len(tried) - attempts.count(tried)


def _place(task: Task, submission: Submission) -> Place:
    return submission.name, submission.tasks.index(task.number)


def _cancelled(state: TaskState) -> TaskState:
    if state.word in ("RUNNING", "DONE"):
        return state
    return TaskState(task=state.task, word="CANCELLED", tries=state.tries)


def _state(
    task: Task,
    tried: Sequence[Attempt],
    current: Submission | None,
    said: State | None,
    *,
    age_s: float,
    tries: int,
) -> TaskState:
    """Return the state of a task without a result."""
    if current is None:
        return TaskState(task=task, word="LOST", reason="it was not submitted yet")
    if said is not None and said.phase == "pending":
        reason = said.reason or said.word.removeprefix("PENDING")
        return TaskState(
            task=task,
            word="RETRY" if tried else "PENDING",
            reason=reason,
            tries=tries,
        )
    if said is not None and said.phase == "running":
        return TaskState(task=task, word="RUNNING", host=said.host, tries=tries)
    if said is None and age_s < GRACE_S and not _of(tried, current):
        return TaskState(task=task, word="PENDING", reason="just submitted", tries=tries)
    return _over(task, _of(tried, current), said, tries)


def _of(tried: Sequence[Attempt], submission: Submission) -> Sequence[Attempt]:
    return [attempt for attempt in tried if attempt.begun.submission == submission.number]


def _over(task: Task, tried: Sequence[Attempt], said: State | None, tries: int) -> TaskState:
    """Return the state of a task that the scheduler runs no more, and that has no result."""
    last = tried[-1] if tried else None
    word = said.word if said else ""
    host = last.begun.host if last else said.host if said else ""
    lost = None
    again = True
    if last is None:
        reason = f"it ended before it began, {word or 'and the scheduler forgot it'}"
        reason += f": does {host} see the folder and the checkout?" if host else ""
    elif last.ended is None:
        reason, lost = f"{host} was lost", last
        if word == "TIMEOUT":
            reason, again, lost = "the time limit ended it: raise time_limit", False, None
    elif last.ended.code == INFRASTRUCTURE or (last.ended.code == INTERRUPTED and word in (*HOST_LOST, "")):
        reason = last.ended.reason
    else:
        reason, again = last.ended.reason, False
        if word == "TIMEOUT":
            reason = "the time limit ended it: raise time_limit"
    if word == "CANCELLED":
        reason, again = "it was cancelled by somebody else", False
    if again and tries >= MOST_ATTEMPTS:
        reason, again = f"{reason}; tried {tries} times", False
    return TaskState(task=task, word="LOST" if again else "ERROR", host=host, reason=reason, tries=tries, lost=lost)


def hints(standing: Standing, submitted: Mapping[int, float], now_s: float) -> tuple[str, ...]:
    """Return what to look at where tasks wait for long.

    Args:
        standing: of the run.
        submitted: by number of a task, when it was submitted last, in seconds.
        now_s: the time.
    """
    waiting = [
        state
        for state in standing.tasks
        if state.reason == "Resources" and now_s - submitted.get(state.task.number, now_s) > LONG_S
    ]
    if not waiting:
        return ()
    return (
        f"{count(len(waiting), 'task')} waited ten minutes or more for a host. If `sinfo` calls such a host idle, Slurm"
        " has lost count of its GPUs, as it does when a host dies: `scontrol reconfigure`, by who runs it, helps.",
    )
