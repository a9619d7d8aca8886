"""The variables that a user names for the replicates: `samestep run --env NAME=VALUE`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bench.catalogue import FrameworkOffer
from bench.turns.variables import OWN, OWN_PREFIXES
from harness.errors import SelectionError

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def named(typed: Sequence[str], environ: Mapping[str, str], frameworks: Iterable[FrameworkOffer]) -> tuple[str, ...]:
    """Return "NAME=value" of each variable in `typed`, sorted; NAME alone has the value that it has in `environ`.

    Raises:
        SelectionError: no name, no value, a name given twice, or one that samestep or a framework's file sets.
    """
    values: dict[str, str] = {}
    owners = _owners(frameworks)
    for text in typed:
        name, equals, value = text.partition("=")
        if not NAME.fullmatch(name):
            raise SelectionError(f"--env {text!r} names no variable: write --env NAME=VALUE, or --env NAME.")
        if owner := owners.get(name) or _own(name):
            raise SelectionError(f"--env {name}: {owner} sets {name} itself, so it cannot be named.")
        if not equals and name not in environ:
            raise SelectionError(f"--env {name}: it is not set here; write --env {name}=VALUE.")
        value = value if equals else environ[name]
        if not value.isprintable():
            raise SelectionError(f"--env {name}: its value has characters that cannot be shown in a report.")
        if values.setdefault(name, value) != value:
            raise SelectionError(f"--env {name} is given twice, with different values.")
    return tuple(f"{name}={values[name]}" for name in sorted(values))


def differences(before: Sequence[str], now: Sequence[str]) -> str:
    """Return how two sequences of "NAME=value" differ, in words; empty: they do not."""
    gone, new = (sorted(set(one) - set(other)) for one, other in ((before, now), (now, before)))
    sides = (("without", gone), ("with", new))
    return "; ".join(f"{word} {', '.join(texts)}" for word, texts in sides if texts)


def _own(name: str) -> str:
    return "samestep" if name in OWN or name.startswith(OWN_PREFIXES) else ""


def _owners(frameworks: Iterable[FrameworkOffer]) -> dict[str, str]:
    """Return the file that sets a variable, by its name."""
    owners = {}
    for framework in frameworks:
        policies = (variable for policy in framework.allocators for variable in policy.environment)
        for name, _ in (*framework.environment, *policies):
            owners[name] = f"bench/frameworks/{framework.name}.py"
    return owners
