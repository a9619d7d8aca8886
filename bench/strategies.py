"""The strategies of a framework for data-parallel steps, as its file under bench/parallel declares them."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.literals import read

LITERALS: Final = ("STRATEGIES", "PROCESSES", "COMPARED", "ENVIRONMENT", "DEVICES")


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyOffer:
    """One strategy of a framework for a data-parallel step: a file under `bench/parallel` has them."""

    name: str
    sentence: str  # what happens in it
    compared: str  # the framework's plain mode that it is held beside
    in_processes: bool  # a process for each rank; False: one process with a device for each
    environment: tuple[tuple[str, ...], ...] = ()  # (name, value) of variables besides the framework's own
    devices: tuple[str, ...] = ()  # those that it runs on


def strategies(path: Path, modes: Sequence[str], devices: tuple[str, ...]) -> tuple[StrategyOffer, ...]:
    """Return the strategies that a file under bench/parallel declares; none where there is no such file.

    Args:
        path: of the file.
        modes: the framework's.
        devices: that it computes on.

    Raises:
        KeyError: a literal is missing.
        ValueError: the literals contradict each other.
    """
    if not path.exists():
        return ()
    literals = read(ast.parse(path.read_text(encoding="utf-8")), LITERALS)
    told: Mapping[str, str] = literals["STRATEGIES"]
    compared: Mapping[str, str] = literals["COMPARED"]
    processes: Sequence[str] = literals.get("PROCESSES", ())
    for name in told:
        if compared.get(name) not in modes:
            raise ValueError(f"COMPARED: {name} is held beside {compared.get(name)!r}, which is none of MODES")
    if strange := [name for name in (*processes, *compared) if name not in told]:
        raise ValueError(f"PROCESSES or COMPARED has {strange[0]}, which is none of STRATEGIES")
    if shared := [name for name in told if name in modes]:
        raise ValueError(f"STRATEGIES has {shared[0]}, which is the name of a mode")
    return tuple(
        StrategyOffer(
            name=name,
            sentence=sentence,
            compared=compared[name],
            in_processes=name in processes,
            environment=tuple(literals.get("ENVIRONMENT", {}).items()),
            devices=tuple(literals.get("DEVICES", devices)),
        )
        for name, sentence in told.items()
    )
