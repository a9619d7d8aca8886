"""How numbers read to people. The only place that rounds; the CSV does not use it."""

import math
from collections.abc import Sequence
from typing import Final

Value = str | int | float | bool | None
NONE: Final = "–"  # not applicable or not measured

GIB: Final = 2**30


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


def words(bytes_: int) -> str:
    """Return an amount for people, to three digits: 1.63 GiB, 512 MiB."""
    return f"{bytes_ / GIB:.3g} GiB" if bytes_ >= GIB else f"{bytes_ / (1 << 20):.3g} MiB"


def duration(ns: float) -> str:
    """Return a duration in the unit that reads best: 912 ns, 104 µs, 3.7 ms, 7.1 s."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{significant(ns / size)} {unit}"
    return f"{significant(ns)} ns"


def minutes(seconds: float) -> str:
    """Return "42 s" or "3 min 20 s", rounded to what an estimate can carry."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds / 10) * 10, 60)
    if minutes >= 60:
        return f"{minutes // 60:.0f} h {minutes % 60:.0f} min"
    return f"{minutes:.0f} min {rest:.0f} s" if rest else f"{minutes:.0f} min"


def size_words(bytes_: int) -> str:
    """Return a working set for people: 64 KiB, 4 MiB, 2 GiB."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
        if bytes_ >= size:
            return f"{bytes_ // size} {unit}"
    return f"{bytes_ // 2**10} KiB"
