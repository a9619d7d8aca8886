"""The formats of a report, one module each.

To add a format, add a module here with the two functions of `Exporter`, and a line in `EXPORTERS`. A module is imported
only when its format is used, so the command line lists the formats without loading their libraries.
"""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from harness.report.tables.all import Tables
    from harness.validity.results import Run

EXPORTERS: Final[Mapping[str, str]] = {  # module by name of the format
    "csv": "csv",
    "md": "markdown",
    "github": "github",
    "html": "html",
    "latex": "latex",
    "json": "json",
    "parquet": "parquet",
    "pytest-benchmark": "pytest_benchmark",
}
BINARY: Final = ("parquet",)  # what no terminal shows
WHOLE: Final = ("github", "html", "pytest-benchmark")  # formats without single tables
SINGLE: Final = tuple(name for name in EXPORTERS if name not in WHOLE)


class Exporter(Protocol):
    """The functions that the module of a format has."""

    def files(self, run: "Run", tables: "Tables") -> Mapping[str, str | bytes]:
        """Return the files that the format adds to the folder of a report, by path."""
        ...

    def render(self, run: "Run", tables: "Tables", table: str | None) -> str | bytes:
        """Return the report; only `table`, if it is named and the format has single tables."""
        ...


def exporter(name: str) -> Exporter:
    """Return the exporter of the format called `name`; raises KeyError."""
    return cast("Exporter", importlib.import_module(f"{__name__}.{EXPORTERS[name]}"))
