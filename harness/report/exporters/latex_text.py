r"""Text for LaTeX: printed as it is, in any engine and any encoding of fonts.

The result is ASCII. What TeX or a package takes for a command, a ligature or an option is written out: `\\ [1]` would
be a distance, `--` a dash, `"a` a letter to babel. A letter with an accent is composed, which the fonts of any engine
can. A character that LaTeX's fonts lack is printed by its number, [U+4E2D]: pdfLaTeX would stop at it, and LuaLaTeX
would leave it out without a word.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

PRINTED: Final[Mapping[str, str]] = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\texttt{\char34}", "`": r"\textasciigrave{}", "[": "{[}", "]": "{]}", "*": "{*}",
    "µ": r"\textmu{}", "μ": r"\textmu{}", "×": r"\texttimes{}", "÷": r"\textdiv{}", "±": r"\textpm{}",
    "−": r"\textminus{}", "–": r"\textendash{}", "—": r"\textemdash{}", "…": r"\ldots{}", "°": r"\textdegree{}",
    "·": r"\textperiodcentered{}", "•": r"\textbullet{}", "²": r"\texttwosuperior{}", "³": r"\textthreesuperior{}",
    "‘": r"\textquoteleft{}", "’": r"\textquoteright{}", "“": r"\textquotedblleft{}", "”": r"\textquotedblright{}",
    "≤": r"\ensuremath{\leq}", "≥": r"\ensuremath{\geq}", "≈": r"\ensuremath{\approx}", "√": r"\ensuremath{\surd}",
    "→": r"\ensuremath{\rightarrow}", "β": r"\ensuremath{\beta}", "ε": r"\ensuremath{\varepsilon}",
    "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}",
    "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}", "\u00a0": "~", "\u2009": r"\,", "\u202f": r"\,",
}  # fmt: skip
ACCENTS: Final[Mapping[str, str]] = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u0304": "=", "\u0306": "u ",
    "\u0307": ".", "\u030a": "r ", "\u030b": "H ", "\u030c": "v ", "\u0327": "c ",
}  # fmt: skip
LIGATURE: Final = re.compile(r"(?<=([-',]))(?=\1)")  # two of them would be one character
MINUS: Final = re.compile(r"(?<![\w.])-(?=[\d.])")  # of a number
BREAK: Final = re.compile(r"(?<=[/=])(?=\w)|(?<=\\_)")  # where a long path or name may go on in the next line


def escaped(text: str) -> str:
    """Return `text` as LaTeX that prints it, on one line."""
    return LIGATURE.sub("{}", "".join(map(_printed, " ".join(text.split()))))


def number(text: str) -> str:
    """Return the text of a value: as `escaped`, with a minus where it has one."""
    return escaped(MINUS.sub("−", text))


def breakable(text: str) -> str:
    """Return `text` as `escaped` does, with places where a long word may be broken."""
    return BREAK.sub(r"\\allowbreak{}", escaped(text))


def comment(text: str) -> str:
    """Return `text` as what follows a % sign: one line of ASCII."""
    return " ".join(text.split()).encode("ascii", "backslashreplace").decode()


def _printed(character: str) -> str:
    if character in PRINTED:
        return PRINTED[character]
    if " " <= character <= "~":
        return character
    base, *marks = list(unicodedata.normalize("NFD", character))
    if len(marks) == 1 and marks[0] in ACCENTS and base.isascii() and base.isalpha():
        return rf"\{ACCENTS[marks[0]]}{{{base}}}"
    return rf"{{[}}U+{ord(character):04X}{{]}}"
