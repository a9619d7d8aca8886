"""The frameworks of a command line, with their variants: "numpy,jax@0.9.2,keras_jax@keras==3.14,jax==0.10.2". Pure.

A variant is another environment of a framework. Its spec goes on where the next name between commas is no framework:
another pin, a wheel, or a Python.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from harness.errors import SelectionError
from harness.format import shortened_name

AT: Final = "@"
PYTHON: Final = re.compile(r"py\d+\.\d+")
# Environments of one framework that are measured together. A group of processes that take turns has 16 seats: those of
# the baseline stay while another mode comes, and one more links the groups.
MOST: Final = 7


def joined(names: Iterable[str]) -> list[str]:
    """Return the names of a list, each spec of a variant in one piece."""
    found: list[str] = []
    for name in names:
        if found and AT in found[-1] and _goes_on(name):
            found[-1] = f"{found[-1]},{name}"
        else:
            found.append(name)
    return found


def _goes_on(name: str) -> bool:
    return AT not in name and ("==" in name or name.endswith(".whl") or PYTHON.fullmatch(name) is not None)


def framework(spec: str) -> str:
    """Return the framework of a spec, as its file is called."""
    return spec.partition(AT)[0].strip().replace("-", "_")


def with_underscores(spec: str) -> str:
    """Return a spec with the framework as its file is called."""
    return f"{framework(spec)}{''.join(spec.partition(AT)[1:])}"


def is_variant(spec: str) -> bool:
    """Return whether a spec names a variant, which is not the locked environment."""
    return AT in spec


def variants(name: str, framework_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the variants of the framework `name` as cells have them, the locked environment ("") first.

    Args:
        name: of the framework.
        framework_ids: those that were named, such as "jax" and "jax@0.9.2"; none: all are as locked.

    Raises:
        SelectionError: there are more than can be measured together.
    """
    own = [spec.partition(AT)[2] for spec in framework_ids if framework(spec) == name]
    found = tuple(dict.fromkeys(sorted(own, key=bool))) or ("",)
    if len(found) > MOST:
        raise SelectionError(
            f"{name} has {len(found)} environments in this selection: at most {MOST} are measured together, in groups"
            " of processes that take turns. Name fewer."
        )
    return found


def require_locked(specs: Iterable[str], *, whom: str) -> None:
    """Raise SelectionError for a variant where only the locked environments are known; `whom`: to what."""
    for spec in specs:
        if is_variant(spec):
            name = framework(spec)
            raise SelectionError(
                f"{shortened_name(spec)}: {whom} knows the locked environments alone; name {name} without {AT}."
            )
