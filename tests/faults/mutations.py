"""Mutations of a run's files: of one value in the JSON of a file, or of a file as text.

Every mutation is drawn from a `random.Random`, changes the file in place and returns one line that says what it did.
"""

import copy
import json
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Path_ = tuple[str | int, ...]  # keys and indices from the root of a JSON value

DEEP: Final = "@deep@"  # stands for what json.dumps cannot write, until the text is there
HUGE: Final = "@huge@"
VALUES: Final[Sequence[Any]] = (
    None, True, False, 0, -1, 1, 7, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.0, -0.0, 1e-320, 1e308, 0.1, -5.5,
    float("nan"), float("inf"), float("-inf"),
    "", " ", "ok", "0", "nan", "null", "cold", "jax", "eager", "no such name", "a/b/../c", "../../etc/passwd",
    "x" * 2000,
    "\ud800", "a\udcffb", "\x00", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "a\nb\r\nc", "\u2028", "\u202eevil",
    "\x85\x9b31m",
    "é", "名前", "🚂", "<script>alert(1)</script>", "</td></table>", "a|b|c", "`x`", "[a](javascript:x)", "=1+1",
    "@SUM(A1)",
    "-2+3", "%s %d {0} {x}", "[bold]not markup[/bold]", "[/]", "\\", '"', "'", ",", ";",
    [], {}, [None], [1, 2, 3], ["a"], [[]], [[[[[[1]]]]]], {"a": 1}, {"": None}, [float("nan")], ["\ud800"],
    DEEP, HUGE,
)  # fmt: skip
LARGE: Final[Sequence[Any]] = (
    list(range(200_000)),
    "y" * 1_000_000,
    ["z"] * 100_000,
    {str(n): n for n in range(50_000)},
)
FACTORS: Final = (-1, 0, 1e-12, 1e-3, 1e3, 1e6, 1e12, 1e300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """What was done to one file."""

    file: str
    what: str
    cells: tuple[Mapping[str, Any], ...] | None = ()  # of the records that it may concern; None: any


def of_value(rng: random.Random, run: Path, name: str) -> Mutation:
    """Change one value somewhere in the JSON of a file: run.json, plan.json, or one line of records.jsonl."""
    path = run / name
    lines = path.read_text(encoding="utf-8").splitlines()
    if name.endswith(".jsonl"):
        at = rng.randrange(len(lines))
        data = json.loads(lines[at])
        cells: tuple[Mapping[str, Any], ...] | None = (dict(data["cell"]),)
        what = f"line {at + 1}: {_change(rng, data)}"
        if isinstance(data.get("cell"), dict):
            cells = (*(cells or ()), dict(data["cell"]))
        lines[at] = _dumped(data)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return Mutation(file=name, what=what, cells=cells)
    data = json.loads("\n".join(lines))
    what = _change(rng, data)
    path.write_text(_dumped(data), encoding="utf-8")
    return Mutation(file=name, what=what, cells=None)


def _dumped(data: Any) -> str:
    text = json.dumps(data)
    return text.replace(f'"{DEEP}"', "[" * 100_000 + "]" * 100_000).replace(f'"{HUGE}"', "9" * 5_000)


def _change(rng: random.Random, data: dict[str, Any]) -> str:
    """Change something in `data`; return what."""
    return rng.choices((_set, _copy, _scale, _remove, _add, _resize, _fill), (8, 3, 3, 2, 1, 3, 1))[0](rng, data)


def _set(rng: random.Random, data: dict[str, Any]) -> str:
    where, value = _place(rng, data), copy.deepcopy(rng.choice(VALUES))
    _put(data, where, value)
    return f"{_named(where)} = {_short(value)}"


def _fill(rng: random.Random, data: dict[str, Any]) -> str:
    where, value = _place(rng, data), rng.choice(LARGE)
    _put(data, where, value)
    return f"{_named(where)} = {_short(value)}, {len(value)} of them"


def _copy(rng: random.Random, data: dict[str, Any]) -> str:
    where, source = _place(rng, data), _place(rng, data)
    _put(data, where, copy.deepcopy(_get(data, source)))
    return f"{_named(where)} = copy of {_named(source)}"


def _scale(rng: random.Random, data: dict[str, Any]) -> str:
    numbers = [path for path in _paths(data) if type(_get(data, path)) in (int, float)]
    where, factor = rng.choice(numbers), rng.choice(FACTORS)
    old = _get(data, where)
    _put(data, where, int(old * factor) if isinstance(old, int) and abs(factor) < 1e300 else old * factor)
    return f"{_named(where)} × {factor:g}"


def _remove(rng: random.Random, data: dict[str, Any]) -> str:
    where = _place(rng, data)
    parent = _get(data, where[:-1])
    del parent[where[-1]]
    return f"without {_named(where)}"


def _add(rng: random.Random, data: dict[str, Any]) -> str:
    objects = [path for path in ((), *_paths(data)) if isinstance(_get(data, path), dict)]
    where, key = rng.choice(objects), rng.choice(("", "unknown", "schema", "cell", "\ud800", "\x1b[1m", "k" * 1000))
    _get(data, where)[key] = rng.choice(VALUES)
    return f"{_named(where)} also has {key[:20]!r}"


def _resize(rng: random.Random, data: dict[str, Any]) -> str:
    """Make a list longer, shorter, or repeat in it: lists that belong together are then of unequal lengths."""
    lists = [path for path in _paths(data) if isinstance(_get(data, path), list)]
    where = rng.choice(lists)
    values = _get(data, where)
    how = rng.choice(("shorter", "longer", "reversed", "empty", "doubled"))
    changed = {
        "shorter": values[:-1],
        "longer": [*values, *(values[:1] or [0])],
        "reversed": values[::-1],
        "empty": [],
        "doubled": values * 2,
    }
    _put(data, where, changed[how])
    return f"{_named(where)} {how}"


def _paths(data: Any, at: Path_ = ()) -> Iterator[Path_]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*at, key)
        if not isinstance(value, list) or len(value) < 50:  # not each of a thousand rounds
            yield from _paths(value, (*at, key))


def _place(rng: random.Random, data: Any) -> Path_:
    """Return the path of a value: first its depth is drawn by walking down, so that long lists do not take all."""
    where: Path_ = ()
    value = data
    while isinstance(value, (dict, list)) and value and (not where or rng.random() < 0.75):
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        where, value = (*where, key), value[key]
    return where


def _get(data: Any, where: Path_) -> Any:
    for key in where:
        data = data[key]
    return data


def _put(data: Any, where: Path_, value: Any) -> None:
    _get(data, where[:-1])[where[-1]] = value


def _named(where: Path_) -> str:
    return ".".join(map(str, where)) or "the whole"


def _short(value: Any) -> str:
    return ascii(value)[:60]


def of_text(rng: random.Random, run: Path, name: str) -> Mutation:
    """Damage a file as a copy, an editor, a crash or a full disk does."""
    how = rng.choice(sorted(DAMAGES))
    path = run / name
    path.write_bytes(DAMAGES[how](rng, path.read_bytes()))
    return Mutation(file=name, what=how, cells=None)


def _inserted(rng: random.Random, data: bytes, new: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + new + data[at:]


def _in_lines(
    change: Callable[[random.Random, list[bytes]], Sequence[bytes]],
) -> Callable[[random.Random, bytes], bytes]:
    def damage(rng: random.Random, data: bytes) -> bytes:
        return b"".join(change(rng, data.splitlines(keepends=True) or [b""]))

    return damage


def _cut_line(rng: random.Random, lines: list[bytes]) -> Sequence[bytes]:
    at = rng.randrange(len(lines))
    return [*lines[:at], lines[at][: rng.randrange(len(lines[at]) + 1)].rstrip(b"\n") + b"\n", *lines[at + 1 :]]


def _glued(rng: random.Random, lines: list[bytes]) -> Sequence[bytes]:
    at = rng.randrange(len(lines))
    return [*lines[:at], lines[at].rstrip(b"\n"), *lines[at + 1 :]]


def _twice(rng: random.Random, lines: list[bytes]) -> Sequence[bytes]:
    at = rng.randrange(len(lines))
    return [*lines[: at + 1], lines[at], *lines[at + 1 :]]


def _swapped(rng: random.Random, lines: list[bytes]) -> Sequence[bytes]:
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[at], lines[other] = lines[other], lines[at]
    return lines


def _without(rng: random.Random, lines: list[bytes]) -> Sequence[bytes]:
    at = rng.randrange(len(lines))
    return [*lines[:at], *lines[at + 1 :]]


def _conflicting(rng: random.Random, lines: list[bytes]) -> Sequence[bytes]:
    """A second line with the same beginning, the cell and the block of a record, and other digits after it."""
    at = rng.randrange(len(lines))
    head, tail = lines[at][: len(lines[at]) // 2], lines[at][len(lines[at]) // 2 :]
    return [*lines, head + tail.replace(b"1", b"2")]


DAMAGES: Final[Mapping[str, Callable[[random.Random, bytes], bytes]]] = {
    "truncated": lambda rng, data: data[: rng.randrange(len(data) + 1)],
    "without its beginning": lambda rng, data: data[rng.randrange(len(data) + 1) :],
    "empty": lambda rng, data: b"",
    "only newlines": lambda rng, data: b"\n\n\n",
    "a line cut": _in_lines(_cut_line),
    "two lines glued": _in_lines(_glued),
    "a line twice": _in_lines(_twice),
    "two lines swapped": _in_lines(_swapped),
    "a line less": _in_lines(_without),
    "a line that contradicts another": _in_lines(_conflicting),
    "no last newline": lambda rng, data: data.rstrip(b"\n"),
    "empty lines": lambda rng, data: data.replace(b"\n", b"\n\n"),
    "CRLF": lambda rng, data: data.replace(b"\n", b"\r\n"),
    "CR": lambda rng, data: data.replace(b"\n", b"\r"),
    "a byte-order mark": lambda rng, data: b"\xef\xbb\xbf" + data,
    "UTF-16": lambda rng, data: data.decode(errors="replace").encode("utf-16"),
    "compressed": lambda rng, data: b"\x1f\x8b\x08\x00" + data,
    "NUL bytes at its end": lambda rng, data: data + b"\0" * 4096,
    "a block of NUL bytes": lambda rng, data: _inserted(rng, data, b"\0" * 512),
    "binary rubbish": lambda rng, data: _inserted(rng, data, rng.randbytes(rng.randrange(1, 400))),
    "only binary rubbish": lambda rng, data: rng.randbytes(2000),
    "a Latin-1 byte": lambda rng, data: _inserted(rng, data, b"\xe9"),
    "an escape sequence": lambda rng, data: _inserted(rng, data, b"\x1b[31m"),
    "one bit": lambda rng, data: _flipped(rng, data),
    "some digits changed": lambda rng, data: _other_digits(rng, data),
    "a merge conflict": lambda rng, data: b"<<<<<<< HEAD\n" + data + b"=======\n" + data + b">>>>>>> other\n",
    "twice its content": lambda rng, data: data * 2,
    "a list around it": lambda rng, data: b"[" + data + b"]",
    "a comment": lambda rng, data: b"// edited\n" + data,
    "a trailing comma": lambda rng, data: data.rstrip().removesuffix(b"}") + b",}\n",
    "a key twice": lambda rng, data: data.replace(b'{"', b'{"cell":null,"cell":0,"', 1),
}  # fmt: skip


def _flipped(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(max(1, len(data)))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :] if data else data


def _other_digits(rng: random.Random, data: bytes) -> bytes:
    return bytes(rng.randrange(48, 58) if 48 <= byte < 58 and rng.random() < 0.002 else byte for byte in data)


def of_place(rng: random.Random, run: Path, name: str) -> Mutation:
    """Put something else in the place of a file."""
    path = run / name
    how = rng.choice(
        ("gone", "a folder", "a link to nowhere", "a link to itself", "another file of the run", "/dev/null")
    )
    kept = path.read_bytes()
    path.unlink()
    if how == "a folder":
        path.mkdir()
    elif how == "a link to nowhere":
        path.symlink_to("nowhere")
    elif how == "a link to itself":
        path.symlink_to(path.name)
    elif how == "/dev/null":
        path.symlink_to("/dev/null")
    elif how == "another file of the run":
        others = [other for other in sorted(run.iterdir()) if other.is_file()]
        path.write_bytes(rng.choice(others).read_bytes() if others else kept)
    return Mutation(file=name, what=f"it is {how}", cells=None)


def of_company(rng: random.Random, run: Path, name: str) -> Mutation:
    """Add what does not belong to a run: an editor's, a file manager's, a crashed program's files."""
    new = rng.choice((
        ".DS_Store", "samples/.DS_Store", "samples/notes.txt", "samples/000001.parquet", "samples/999999.parquet",
        "samples/abc.parquet", ".run.json.new", ".samples.parquet.new", "samples.parquet", "records.jsonl~", ".lock",
        "logs", "report", "report/index.html", "events.jsonl", "a\x1b[31mb", "\udcff",
    ))  # fmt: skip
    path = run / new
    path.parent.mkdir(exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.write_bytes(rng.choice((b"", b"PAR1", b"PAR1" + rng.randbytes(200) + b"PAR1", rng.randbytes(300))))
    return Mutation(file=new.encode("ascii", "backslashreplace").decode(), what="added", cells=None)
