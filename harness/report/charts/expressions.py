"""Numbers as text in a chart, as the page's tables have them (`harness.format`): expressions of Vega.

An expression reads the fields of a row (`datum.step_ns`); what a field holds is a value to it and is never evaluated.
"""

from typing import Final

DIGITS: Final = ",.3r"  # three significant digits, with thousands separators, never an exponent
FEW_DIGITS: Final = ",.3~r"  # the same for ticks, without zeros at the end


def duration(ns: str, digits: str = DIGITS) -> str:
    """Return the expression that shows the duration `ns`, an expression too: 912 ns, 104 µs, 7.10 s."""
    return (
        f"({ns} >= 1e9 ? format({ns} / 1e9, '{digits}') + ' s' : {ns} >= 1e6 ? format({ns} / 1e6, '{digits}') + ' ms'"
        f" : {ns} >= 1e3 ? format({ns} / 1e3, '{digits}') + ' µs' : format({ns}, '{digits}') + ' ns')"
    )


def times(ratio: str) -> str:
    """Return the expression that shows a ratio: 31.5×; exactly 1 is 1×."""
    return f"({ratio} == 1 ? '1×' : format({ratio}, '{DIGITS}') + '×')"


def mebibytes(bytes_: str, digits: str = DIGITS) -> str:
    """Return the expression that shows an amount of memory in MiB."""
    return f"(format({bytes_} / 1048576, '{digits}') + ' MiB')"


def steps(count: str) -> str:
    """Return the expression that shows a break-even to two digits: 1,200 steps; or the word that stands instead."""
    number = f"({count} <= 1 ? 'the first step' : format({count}, ',.2~r') + ' steps')"
    return f"(isNumber({count}) ? {number} : isValid({count}) ? {count} : '')"
