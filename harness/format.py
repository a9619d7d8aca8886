"""Numbers as text for people. Only this module rounds; the CSV files do not use it."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

Value = str | int | float | bool | None
NONE: Final = "–"  # not applicable or not measured

GIB: Final = 2**30


def plain(value: Value) -> str:
    """Return a value as text: yes and no for a bool, a dash for None and for an empty text."""
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def shortened(value: Value) -> str:
    """Return a verdict, short enough for a terminal: "undetermined" becomes "undet."."""
    return "undet." if value == "undetermined" else plain(value)


def significant(value: Value) -> str:
    """Return a number with three significant digits and thousands separators: 0.912, 16.3, 104, 20,700."""
    if not isinstance(value, int | float):
        return plain(value)
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    decimals = 2 - math.floor(math.log10(abs(float(f"{value:.3g}"))))
    return f"{round(value, decimals):,.{max(0, decimals)}f}"


def span(low: float, high: float) -> str:
    """Return the ends of a wide interval with two significant digits, short enough for a table: 12–31, 0.91–2.1."""
    return f"{_short(low)}{' to ' if low < 0 else '–'}{_short(high)}"


def _short(value: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= 10 * size:
            return f"{float(f'{value:.2g}') / size:,.0f}{unit}"
    shown = float(f"{value:.2g}")
    return f"{shown:,.0f}" if abs(shown) >= 10 else f"{shown:.2g}"


def rounded(value: Value) -> str:
    """Return a computed count with three significant digits, without decimals: 22, 299,000."""
    return f"{float(f'{value:.3g}'):,.0f}" if isinstance(value, int | float) else plain(value)


def percent(value: Value) -> str:
    """Return a share in per cent: two significant digits below 10 %, whole numbers from there: 0.53 %, 1.7 %, 310 %."""
    if not isinstance(value, int | float):
        return plain(value)
    return f"{100 * value:.0f} %" if abs(value) >= 0.1 else f"{100 * value:.2g} %"


def share(value: Value) -> str:
    """Return a share in per cent with one decimal, which is 100 % for all only: 98.9 %, 99.9 %, 100 %."""
    if not isinstance(value, int | float):
        return plain(value)
    return "100 %" if value == 1 else f"{min(99.9, 100 * value):.1f} %"


def signed(value: Value) -> str:
    """Return a small difference with its sign and two significant digits: +0.0011, -3.1, 0."""
    if not isinstance(value, int | float):
        return plain(value)
    return f"{value:+.2g}" if value else "0"


def difference(value: Value) -> str:
    """Return a relative difference in either direction: ±1.7 %; from a factor of two on as such: a factor of 4.1."""
    if not isinstance(value, int | float):
        return plain(value)
    return f"±{percent(value)}" if value < 1 else f"a factor of {_short(1 + value)}"


def whole(value: Value) -> str:
    """Return an exact count with thousands separators: 299,123."""
    return f"{value:,}" if isinstance(value, int) else plain(value)


def times(value: Value) -> str:
    """Return a ratio with three significant digits: 31.5×; exactly 1 is 1×."""
    return "1×" if value == 1 else f"{significant(value)}×" if isinstance(value, int | float) else plain(value)


def ratio(value: Value) -> str:
    """Return a ratio near 1 with three decimals: 0.987."""
    return f"{value:.3f}" if isinstance(value, int | float) else plain(value)


def mebibytes(value: Value) -> str:
    """Return bytes in MiB, without the unit."""
    return significant(value / 2**20) if isinstance(value, int | float) else plain(value)


def parameter(value: Value) -> str:
    """Return a trained parameter with five decimals."""
    return f"{value:.5f}" if isinstance(value, int | float) else plain(value)


def scientific(value: Value) -> str:
    """Return a small deviation: 1.6e-05."""
    return f"{value:.1e}" if isinstance(value, int | float) else plain(value)


def shortened_name(name: str) -> str:
    """Return a name that a person typed, short enough for a sentence: of a long one its beginning and its length."""
    return name if len(name) <= 100 else f"{name[:60]}… ({len(name)} characters)"


def beginning(value: Value) -> str:
    """Return the first eight digits of each hash: enough to see whether they are equal."""
    return " ".join(part[:8] for part in value.split()) if isinstance(value, str) and value else plain(value)


def listed(items: Sequence[str]) -> str:
    """Return items as a list in a sentence: a, b and c."""
    return " and ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)


def memory_size(bytes_: int) -> str:
    """Return an amount of memory with three significant digits: 1.63 GiB, 512 MiB."""
    return f"{bytes_ / GIB:.3g} GiB" if bytes_ >= GIB else f"{bytes_ / (1 << 20):.3g} MiB"


def duration(ns: float) -> str:
    """Return a measured duration with three significant digits and the unit that fits: 912 ns, 104 µs, 7.10 s."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{significant(ns / size)} {unit}"
    return f"{significant(ns)} ns"


def wall_duration(seconds: float) -> str:
    """Return a measured wall time to the second: 42 s, 19 min 15 s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def rough_duration(seconds: float) -> str:
    """Return an estimated duration, from 90 s on rounded to ten seconds: "42 s", "3 min 20 s", "2 h 1 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds / 10) * 10, 60)
    if minutes >= 60:
        return f"{minutes // 60:.0f} h {minutes % 60:.0f} min"
    return f"{minutes:.0f} min {rest:.0f} s" if rest else f"{minutes:.0f} min"


def size_words(bytes_: int) -> str:
    """Return the size of a working set in the largest unit below it, rounded down to a whole number: 64 KiB, 4 MiB."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
        if bytes_ >= size:
            return f"{bytes_ // size} {unit}"
    return f"{bytes_ // 2**10} KiB"


def to_json(data: Mapping[str, Any]) -> str:
    """Return `data` as JSON that every program reads: a number that is not finite, which JSON lacks, is null."""
    return json.dumps(_finite(data), indent=1, allow_nan=False) + "\n"


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {key: _finite(item) for key, item in data.items()}
    return [_finite(item) for item in data] if isinstance(data, list | tuple) else data
