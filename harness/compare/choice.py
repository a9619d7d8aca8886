"""One side of `samestep compare` as typed: a run, or some cells of one, as RUN:field=value,value,field=value.

A framework is named as on the command line of a run: "jax" is the locked environment, "jax@0.9.2" a variant of it.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bench.records.record import Cell
from harness.errors import SelectionError
from harness.plan import selection, specs
from harness.terminal import shell

FIELDS: Final = tuple(  # cells with a timed step are compared, whose input is not streamed
    one.name for one in dataclasses.fields(Cell) if one.name not in ("track", "stream")
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Some cells of a run."""

    run: str = ""  # as typed; empty: that of the other side
    fields: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # values by field; a field that is not in it: all

    @property
    def label(self) -> str:
        """The chosen values, for headings; empty when nothing was chosen."""
        return " ".join("/".join(values) for values in self.fields.values())

    def has(self, cell: Cell) -> bool:
        """Return whether `cell` is among them."""
        return all(self._value(cell, name) in values for name, values in self.fields.items())

    def _value(self, cell: Cell, field: str) -> str:
        """Return the value of `cell` that is chosen by; a framework has its variant, unless that is chosen as well."""
        of_variant = field == "framework" and "variant" not in self.fields
        return cell.framework_id if of_variant else str(getattr(cell, field))

    def require(self, cells: Iterable[Cell], run_id: str) -> None:
        """Raise SelectionError when no cell has one of the values, or all of them together."""
        cells = list(cells)
        if not cells:
            raise SelectionError(f"{run_id} has no timed cell yet: nothing of it can be compared.")
        for name, values in self.fields.items():
            for value in values:
                selection.known(name, value, dict.fromkeys(self._value(cell, name) for cell in cells))
        if not any(self.has(cell) for cell in cells):
            remedy = shell.samestep("report", run_id)
            raise SelectionError(f"{run_id} has no cell with {self.label}: {remedy} shows what it has.")


def parsed(typed: str) -> Choice:
    """Return the choice in `typed`, such as "20261120-101500-quick:framework=torch,jax,mode=eager,jit".

    Raises:
        SelectionError: an unknown field, or a value before any field.
    """
    run, colon, chosen = typed.rpartition(":")
    if not colon or "=" not in chosen:
        return Choice(typed)
    fields: dict[str, tuple[str, ...]] = {}
    last = ""
    for word in chosen.split(","):
        name, equals, value = (part.strip() for part in word.partition("="))
        if equals and not value.startswith("="):  # "==" pins a package of a variant
            selection.known("field", name, dict.fromkeys(FIELDS))
            last = name
        else:
            value = word.strip()
        if not last or not value:
            raise SelectionError(f"{typed!r}: write what to compare as RUN:field=value,value,field=value.")
        fields[last] = (*fields.get(last, ()), value)
    if "framework" in fields:
        fields["framework"] = tuple(specs.joined(fields["framework"]))
    return Choice(run, fields)
