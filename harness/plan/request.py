"""The request of a command line, parsed: what to run, where, and with what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench import catalogue
from harness.errors import SelectionError
from harness.plan import selection
from harness.plan.selection import Selection

DEFAULT_PROFILE: Final = "default"
DEVICES: Final = catalogue.DEVICES
LEAST_SECONDS: Final = 0.1
MOST_SECONDS: Final = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to run; None or empty: not given on the command line."""

    selection: Selection = field(default_factory=Selection)
    measures: tuple[str, ...] = ()  # of "time", "memory", "energy", "cold"
    profile: str | None = None
    device: str | None = None
    seed: int | None = None
    kept: tuple[str, ...] = ()  # variants of the selection whose locks are there already, such as "jax@0.9.2"

    @property
    def options(self) -> tuple[str, ...]:
        """The options that were given, as run.json keeps them: "framework=torch,jax"."""
        given = {**self.selection.given, **({"measure": self.measures} if self.measures else {})}
        return tuple(f"{name}={','.join(names)}" for name, names in given.items())


def parsed(
    *,
    measure: str | None = None,
    profile: str | None = None,
    device: str | None = None,
    seed: int | None = None,
    **fields: str | None,
) -> Request:
    """Return the request that was typed: lists are names separated by commas; None: not given.

    Args:
        measure: what to measure.
        profile: name of the profile.
        device: "cpu" or "cuda".
        seed: of the order within the blocks.
        fields: by field of `Selection`: a list of names.

    Raises:
        SelectionError: a list names nothing.
    """
    return Request(
        selection=Selection(**{name: selection.names(typed) for name, typed in fields.items()}),
        measures=selection.names(measure),
        profile=profile,
        device=device,
        seed=seed,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where and with what to run; None: not given."""

    results: Path = Path("results")
    launcher: str | None = None
    python: Path | None = None  # interpreter of the launcher "here"
    cpus: str | None = None
    threads: int | None = None
    timeout_s: float | None = None  # of one replicate
    blocks: int | None = None
    shared_gpu: bool = False  # other programs may use the GPU
    env: tuple[str, ...] = ()  # as typed: NAME=value, or NAME for the caller's value
    data: Path | None = None  # folder of the data sets that are streamed
    again: Path | None = None  # folder of a run whose locks are used, to make it again
    alternate: bool | None = None  # the processes of a block take turns; None: on a processor, not on a GPU
    tables: bool = True  # print the tables of the report when it has ended


def seconds(option: str, typed: float | None) -> float | None:
    """Return the seconds that were typed for `option`; raises SelectionError for what is no time to wait."""
    if typed is not None and not LEAST_SECONDS <= typed <= MOST_SECONDS:  # also where it is not a number
        raise SelectionError(f"{option} {typed:g}: give seconds, from {LEAST_SECONDS:g} to {MOST_SECONDS:g} (a week).")
    return typed


def require_none(options: Mapping[str, object], *, needs: str) -> None:
    """Raise SelectionError when one of `options`, by name, was given without the option that it `needs`."""
    if given := [name for name, value in options.items() if value is not None]:
        raise SelectionError(f"{', '.join(given)}: only with {needs}.")


def one_of(kind: str, name: str, valid: tuple[str, ...]) -> str:
    """Return `name` when it is valid; raises SelectionError."""
    selection.known(kind, name, dict.fromkeys(valid))
    return name
