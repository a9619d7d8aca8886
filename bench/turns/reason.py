"""The line that tells most of why a framework failed, from its exception or from what it printed. Stdlib only.

    exception ─→ its chain: itself, causes, contexts, members of a group, notes ─┐
    log       ─→ its last traceback, else its last lines ────────────────────────┴─→ a line that a rule of SIGNS knows,
                                                                                      else the first that is not noise

An exception's own first line often tells least: "C++ compile error", "Graph execution error:", "Exception occured in
`Recorder`". The rules know what compilers, linkers, loaders and allocators print, whoever wraps it. All other lines
stay in the tail of the record and in the log of the replicate.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 300  # characters of a reason
PART: Final = 180  # characters of each part where it has two
SEARCHED: Final = 64 << 10  # characters of a text, at its beginning and at its end, that are searched
LONGEST_LINE: Final = 4000  # characters of a line that are searched; patterns may take the square of it
LOG_LINES: Final = 40  # last lines of a log that are searched where it has no traceback
DEEPEST: Final = 20  # exceptions of a chain


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something failed."""

    text: str  # one line
    out_of_memory: bool = False  # it asked for more memory than it could have
    child_killed: bool = False  # a process that it had started was killed: by the kernel for memory, or by somebody


@dataclass(frozen=True, slots=True)
class Sign:
    """A kind of line that tells what happened."""

    pattern: re.Pattern[str]
    is_memory: bool = False
    is_killed_child: bool = False


def _sign(*patterns: str, memory: bool = False, killed: bool = False) -> Sign:
    return Sign(re.compile("|".join(patterns), re.IGNORECASE), memory, killed)


# What tells most comes first. Two cases are no lack of memory although they sound like it: a GPU's shared memory and
# registers are a limit of one kernel, and the block for static TLS is a limit of the loader.
SIGNS: Final = (
    _sign(
        r"\bkilled signal terminated program",  # GCC, of its compiler
        r"died with <signals\.sigkill",
        r"\b(?:exit (?:code|status)|returned) (?:-9|137)\b",
        r"terminated abruptly while the future was running",  # concurrent.futures
        r"\brank \d+ of \d+, told to [\w-]+, was ended by SIGKILL",  # bench.parallel.member
        r"^(?:ld|collect2|\S*(?:gcc|g\+\+|clang)\S*): .*terminated with signal 9",
        killed=True,
    ),
    _sign(
        r"\boom when allocating",
        r"out of memory(?!.*shared memory)",
        r"\w_OUT_OF_MEMORY\b",
        r"\bCU\w+_STATUS_ALLOC_FAILED",
        r"can(?:'|no)t allocate memory(?! in static TLS)",
        r"std::bad_alloc",
        r"unable to allocate [\d.]+ ?[KMGTPE]i?B",
        r"memory exhausted",
        r"memory allocation (?:still )?failed",
        r"failed to allocate (?:request for |memory|\d)",
        r"not enough memory",
        r"\bRESOURCE_EXHAUSTED:(?!.*(?:shared memory|registers|disk|space left|quota))",
        memory=True,
    ),
    _sign(r"no space left on device", r"disk quota exceeded", r"read-only file system"),
    _sign(
        r"cannot find -l",
        r"undefined reference to",
        r"undefined symbols? ?:",
        r"library (?:not found for|-l\S+ not)",
        r"unable to find library",
        r"multiple definition of",
        r"\bcannot find 'ld'",
        r"\bcannot find (?:crt|lib)\S*\.[oa]\b",
    ),
    _sign(
        r"cannot open shared object file",
        r"failed to map segment from shared object",
        r"\bfile too short",
        r"invalid ELF header",
        r"wrong ELF class",
        r"cannot allocate memory in static TLS",
        r"version `\S+' not found",
        r"undefined symbol",
        r"cannot read file data",
        r"ELF load command",
    ),
    _sign(
        r"\bfatal error(?: \w+)?: ",
        r"(?:^|[\s:)])error(?: [A-Z]?\d+| *#[\d-]+)?\s*: (?!ld returned|linker command failed|command )",
        r"\b(?:nvcc|ptxas|fatbinary|cicc|nvlink) (?:fatal|error)\s*:",
        r"^LLVM ERROR: ",
    ),
    _sign(r"can't start new thread", r"resource temporarily unavailable", r"too many open files"),
)

# What only a process without an exception prints: the interpreter's and the C++ libraries' last words.
LAST_WORDS: Final = _sign(
    r"^Fatal Python error: ",
    r"^terminated by \S+: ",
    r"^terminate called ",
    r"\bCheck failed: ",
    r"Assertion .* failed",
    r"^F\d{4} [\d:.]+ ",
    r"\*\*\* stack smashing",
    r"^(?:(?:free|malloc|realloc|munmap_chunk)\(\)|corrupted |double free)",
    r"illegal instruction",
)

# Lines that say that something went wrong, or where, or what else could be tried, but not what it was.
NOISE: Final = re.compile(
    r"^(?:[-=^~*_.|+ ]*$"
    r"|Traceback \(most recent|The above exception was|During handling of|Stack trace|stack traces unavailable"
    r"|<stack traces|For simplicity, JAX has removed|The stack trace below excludes JAX|The preceding stack trace"
    r"|Set JAX_TRACEBACK|Set TORCH|You can suppress|from user code|Developer debug context"
    r"|For more details about this graph break"
    r"|Graph execution error|Detected at node|in user code|Exception encountered when calling|Exception occ?urr?ed in"
    r"|Arguments received by|Call arguments received|An exception occurred when calling"
    r"|backend='\w+' raised|(?:\w+Error: )?(?:C\+\+|CUDA) compile error|Command:?$|Output:?$|Compiler output"
    r"|(?:Error|Exception|Failed|Failure|Errors?)[.:!]?$"
    r"|Extension modules: |Current thread 0x|Thread 0x|Aborted|Segmentation fault|collect2: error: ld returned"
    r"|compilation terminated|\(core dumped\)|Original error was|To execute this operation|\[\[?\{\{node|tcmalloc)"
)
UNFINISHED: Final = re.compile(r":$|\bfollowing \w+$|\bas follows$")  # the next line says it
TERMINATED: Final = re.compile(
    r"terminate called after throwing an instance of '([^']{1,500})'\s*what\(\):\s*"
)  # libstdc++
MODULE: Final = re.compile(r"^(?:[a-z_]\w*\.)+(?=\w+: )")  # of an exception's type
CODE: Final = re.compile(r'^File ".*", line \d+')  # the line after it is code, and is indented further
# Of a terminal; TensorFlow's names of nodes; the beginning of a traceback inside a message.
DECORATION: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\{\{function_node [^}]{0,500}\}\} ?| \[Op:\w+\](?: name: ?)?"
    r"|(?<=: )Traceback \(most recent call last\):"
)
FOLDER: Final = re.compile(r"/(?:[^/\s:'\"]+/)+(?=[^/\s:'\"]+[:\s(])")  # of the file that a compiler names first
TYPE: Final = re.compile(r"^(?:[\w.]+\.)?([A-Z]\w*): (?=\S)")
RAISED: Final = re.compile(r"^[A-Za-z_][\w.]*(?:: .*)?$")  # the last line of a traceback
GOT: Final = re.compile(r"\bgot (\w+\(.*\))\.?$")  # the exception that Dynamo met
LOOKUPS: Final = (KeyError, IndexError, AttributeError, StopIteration)  # of a cache or an option: often no failure


def of_exception(error: BaseException) -> Reason:
    """Return the reason for which `error` was raised, with the name of its type."""
    chain = list(_chain(error))
    for sign in SIGNS:
        for each in chain:
            if line := _found(sign, _lines(_said(each))):
                return Reason(_named(each, line), sign.is_memory, sign.is_killed_child)
    text = _told(error)
    return Reason(text, out_of_memory=any(isinstance(each, MemoryError) for each in chain))


def of_log(text: str) -> Reason:
    """Return the reason that the output of an ended process gives; its text is empty when there is no output."""
    lines = _lines(text)
    begins = [number for number, line in enumerate(lines) if line.strip().startswith("Traceback (most recent")]
    ended = _traceback_end(lines, begins[-1]) if begins else None
    searched = lines[begins[-1] :] if begins else lines[-LOG_LINES:]
    for sign in (*SIGNS, LAST_WORDS):
        if line := _found(sign, searched):
            line = f"{ended[0]}: {line}" if ended and line in ended[1] and not ended[1].startswith(line) else line
            return Reason(_short(_without_folder(MODULE.sub("", line))), sign.is_memory, sign.is_killed_child)
    if ended:
        name, message = ended
        return Reason(_short(f"{name}: {_headline(message)}".rstrip(": ")), out_of_memory=name.endswith("MemoryError"))
    telling = [line.strip() for line in _telling(lines)] or [line.strip() for line in lines if line.strip()]
    return Reason(_short(telling[-1]) if telling else "")


def tells_of_killed_child(text: str) -> bool:
    """Return whether `text` says that a process was killed which the failed one had started, such as a compiler."""
    return any(sign.is_killed_child and _found(sign, _lines(text)) for sign in SIGNS)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that led to it, the nearest first."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting and len(seen) < DEEPEST:
        each = waiting.pop(0)
        if any(each is other for other in seen):
            continue
        seen.append(each)
        yield each
        before = _before(each)
        waiting += [*_members(each), *([before] if before else [])]


def _before(error: BaseException) -> BaseException | None:
    """Return what an exception was raised from, or while it was handled."""
    if error.__cause__ is not None or error.__suppress_context__:
        return error.__cause__
    return error.__context__


def _members(error: BaseException) -> Sequence[BaseException]:
    """Return the exceptions of a group."""
    members = getattr(error, "exceptions", ())
    return [each for each in members if isinstance(each, BaseException)] if isinstance(members, tuple) else []


def _told(error: BaseException) -> str:
    """Return what an exception says, and what the first of those that led to it says."""
    if members := _members(error):
        more = f" (and {len(members) - 1} more)" if len(members) > 1 else ""
        return _short(_told(members[0]), LONGEST - len(more)) + more
    said = _said(error)
    own = _headline(said)
    causes = [each for each in list(_chain(error))[1:] if not _is_lookup(error, each)]
    explicit = [each for each in causes if error.__cause__ is not None]
    telling = [each for each in (reversed(explicit) if explicit else causes) if _headline(_said(each))]
    if not telling:
        return _named(error, own or _any_line(said))
    first = _named(telling[0], _headline(_said(telling[0])))
    if not own:
        return first
    if _headline(_said(telling[0])) in own:
        return _named(error, own)
    word = "from" if explicit else "after"
    return f"{_short(_named(error, own), PART)} ({word} {_short(first, LONGEST - PART - len(word) - 4)})"


def _is_lookup(error: BaseException, other: BaseException) -> bool:
    return error.__cause__ is None and isinstance(other, LOOKUPS)


def _said(error: BaseException) -> str:
    """Return the message of an exception with its notes; empty where it cannot be made."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the __str__ of a framework may raise anything
        text = ""
    notes = getattr(error, "__notes__", ())
    return "\n".join([text, *(note for note in notes if isinstance(note, str))])


def _named(error: BaseException, line: str) -> str:
    """Return `line` after the name of the exception's type."""
    name = type(error).__name__
    line = _without_folder(TYPE.sub("", line) if (m := TYPE.match(line)) and m[1] == name else line)
    return _short(f"{name}: {line}" if line else name)


def _lines(text: str) -> list[str]:
    if len(text) > 2 * SEARCHED:
        text = f"{text[:SEARCHED]}\n{text[-SEARCHED:]}"
    text = TERMINATED.sub(r"terminated by \1: ", DECORATION.sub("", text))
    return [_shortened(line).expandtabs().rstrip() for line in text.splitlines()]


def _shortened(line: str) -> str:
    """Return a line without its middle, where it is very long."""
    half = LONGEST_LINE // 2
    return line if len(line) <= LONGEST_LINE else f"{line[:half]} … {line[-half:]}"


def _found(sign: Sign, lines: Sequence[str]) -> str:
    """Return the first line with the sign."""
    return next((line.strip() for line in lines if sign.pattern.search(line) and not NOISE.match(line.strip())), "")


def _telling(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines that are neither noise nor the code of a traceback."""
    code: int | None = None  # indentation of a traceback's line
    for line in lines:
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        if CODE.match(stripped):
            code = indent
        elif code is not None and stripped and indent > code:
            continue
        elif stripped:
            code = None
            if not NOISE.match(stripped):
                yield line


def _headline(message: str) -> str:
    """Return the first line of a message that tells something, with its explanation; empty when there is none."""
    lines = list(_telling(_lines(message)))
    if not lines:
        return ""
    first = lines[0].strip()
    explained = next((line.strip() for line in lines[1:] if line.strip().startswith("Explanation: ")), "")
    if explained:  # PyTorch's Dynamo
        original = GOT.search(explained)
        return f"{first}: {original[1] if original else explained.removeprefix('Explanation: ')}"
    if UNFINISHED.search(first) and len(lines) > 1:
        return f"{first} {lines[1].strip()}"
    return first


def _any_line(message: str) -> str:
    return next((line.strip() for line in _lines(message) if line.strip()), "")


def _traceback_end(lines: Sequence[str], begin: int) -> tuple[str, str] | None:
    """Return the type and the message of the traceback that begins at a line; None: it is cut."""
    indent = len(lines[begin]) - len(lines[begin].lstrip())
    for number in range(begin + 1, len(lines)):
        line = lines[number][indent:]
        if RAISED.match(line):
            name, _, first = line.partition(": ")
            return name.rpartition(".")[2], "\n".join([first, *lines[number + 1 :]])
    return None


def _without_folder(line: str) -> str:
    """Return `line` without the folder of the file that it begins with: it is long, and made for one process."""
    return FOLDER.sub("", line, count=1) if FOLDER.match(line) else line


def _short(text: str, longest: int = LONGEST) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
