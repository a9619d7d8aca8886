"""The comparisons of a session: what is planned, what came of each, and the file that keeps them."""

import dataclasses
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from harness.errors import StoreError
from harness.peers.steps import INNER, PLANTED, Variant
from harness.peers.tool import Known

Condition = Literal["quiet", "load"]
CONDITIONS: Final[tuple[Condition, ...]] = ("quiet", "load")


@dataclass(frozen=True, slots=True)
class Planned:
    """One comparison by one tool: of A with a copy of A, or of A with B."""

    condition: Condition
    step: str
    tool: str
    is_planted: bool  # B has 5 % more work; False: A against its copy
    repeat: int

    @property
    def truth(self) -> float:
        """The true ratio."""
        return PLANTED / INNER if self.is_planted else 1.0

    @property
    def variants(self) -> tuple[Variant, Variant]:
        """What is compared."""
        return Variant(self.step), Variant(self.step, PLANTED if self.is_planted else INNER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came of it."""

    planned: Planned
    known: Known | None  # None: not one ratio before the cap, or a program failed
    wall_s: float  # spent, also where nothing came of it
    reason: str = ""  # why a program failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What holds for the whole session."""

    date: str
    cpu: str
    cores: int
    os: str
    cpus: tuple[int, ...]  # on which all was measured
    commit: str
    cap_s: float
    versions: Mapping[str, str]  # of each tool
    is_short: bool = False
    busy: float | None = None  # processors that other programs kept busy before the first comparison


def plan(
    steps: Sequence[str],
    tools: Sequence[str],
    conditions: Sequence[Condition],
    *,
    identical: int,
    planted: int,
    seed: int = 7,
) -> list[Planned]:
    """Return the comparisons in their order: by condition and repeat, the tools of a step in random order."""
    rng = random.Random(seed)
    planned = []
    for condition in conditions:
        for repeat in range(max(identical, planted)):
            for step in steps:
                of_step = [(tool, kind) for tool in tools for kind in (False, True)]
                rng.shuffle(of_step)
                planned += [
                    Planned(condition, step, tool, is_planted, repeat)
                    for tool, is_planted in of_step
                    if repeat < (planted if is_planted else identical)
                ]
    return planned


class Results:
    """A file of JSON lines: the facts first, then one line for each comparison, written when it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, facts: Facts) -> None:
        """Write the facts of a new file; keep those of one that is there."""
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._append(dataclasses.asdict(facts))

    def keep(self, comparison: Comparison) -> None:
        """Append one."""
        self._append(dataclasses.asdict(comparison))

    def _append(self, value: Mapping[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(value) + "\n")

    def read(self) -> tuple[Facts, list[Comparison]]:
        """Return all that is kept; a last line that was cut off is left out.

        Raises:
            StoreError: there is no such file, or it is none of ours.
        """
        try:
            facts, *lines = self._values()
            facts["cpus"] = tuple(facts["cpus"])
            return Facts(**facts), [_comparison(line) for line in lines]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{self.path} has no results of harness.peers: {error}") from error

    def _values(self) -> Iterator[dict[str, Any]]:
        for line in self.path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)


def _comparison(value: dict[str, Any]) -> Comparison:
    known = value["known"]
    return Comparison(
        planned=Planned(**value["planned"]),
        known=None if known is None else Known(**known),
        wall_s=value["wall_s"],
        reason=value["reason"],
    )
