"""How numbers read to people. The only place that rounds; the CSV does not use it."""

import math
from collections.abc import Sequence
from typing import Final

Value = str | int | float | bool | None
NONE: Final = "–"  # not applicable or not measured


def plain(value: Value) -> str:
    """Return a value as people read it: yes and no, a dash for nothing."""
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def shortened(value: Value) -> str:
    """Return a verdict in as many letters as a terminal has room for."""
    return "undet." if value == "undetermined" else plain(value)


def significant(value: Value) -> str:
    """Return a number with three significant digits, thousands apart: 0.912, 16.3, 104, 20,700."""
    if not isinstance(value, int | float):
        return plain(value)
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    decimals = 2 - math.floor(math.log10(abs(float(f"{value:.3g}"))))
    return f"{round(value, decimals):,.{max(0, decimals)}f}"


def rounded(value: Value) -> str:
    """Return a computed count with three significant digits and no decimals: 22, 299,000."""
    return f"{float(f'{value:.3g}'):,.0f}" if isinstance(value, int | float) else plain(value)


def percent(value: Value) -> str:
    """Return a share with two significant digits, in whole per cent from ten up: 0.53 %, 1.7 %, 310 %."""
    if not isinstance(value, int | float):
        return plain(value)
    return f"{100 * value:.0f} %" if abs(value) >= 0.1 else f"{100 * value:.2g} %"


def whole(value: Value) -> str:
    """Return a count, thousands apart."""
    return f"{value:,}" if isinstance(value, int) else plain(value)


def times(value: Value) -> str:
    """Return a ratio: 31.5×; of a thing to itself 1×."""
    return "1×" if value == 1 else f"{significant(value)}×" if isinstance(value, int | float) else plain(value)


def ratio(value: Value) -> str:
    """Return a ratio near 1: 0.987."""
    return f"{value:.3f}" if isinstance(value, int | float) else plain(value)


def mebibytes(value: Value) -> str:
    """Return bytes in MiB."""
    return significant(value / 2**20) if isinstance(value, int | float) else plain(value)


def parameter(value: Value) -> str:
    """Return a trained parameter with five decimals."""
    return f"{value:.5f}" if isinstance(value, int | float) else plain(value)


def scientific(value: Value) -> str:
    """Return a small deviation: 1.6e-05."""
    return f"{value:.1e}" if isinstance(value, int | float) else plain(value)


def beginning(value: Value) -> str:
    """Return the first eight digits of each hash: enough to see that they are equal."""
    return " ".join(part[:8] for part in value.split()) if isinstance(value, str) and value else plain(value)


def listed(items: Sequence[str]) -> str:
    """Return items as a sentence names them: a, b and c."""
    return " and ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)
