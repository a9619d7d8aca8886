"""The reason that is shown: the line that tells most, of texts that real frameworks, compilers and loaders wrote.

A file of `reasons/` begins with the status and the reason that its text must give. The text is one exception with those
that led to it, or what a process printed (`log_…`). They were made with broken compilers, wrong shapes, limits of
memory and cut libraries, in the environments of the suite.
"""

import re
from pathlib import Path

import pytest

from bench.turns.reason import LONGEST, of_exception, of_log, tells_of_killed_child

CAPTURES = Path(__file__).parent / "reasons"


def captured(text: str) -> BaseException:
    """The exception that a file describes: its type, message and notes, and those that led to it."""
    chain: list[BaseException] = []
    for block in re.split(r"(?m)^--- ", text)[1:]:
        head, _, body = block.partition("\n")
        how, name, *base = head.split()
        message, *notes = body.removesuffix("\n").split("\n+++ note\n")
        kind = type(name.rpartition(".")[2], (MemoryError if base else Exception,), {})
        error = kind(message)
        for note in notes:
            error.add_note(note)
        if chain and how == "cause":
            chain[-1].__cause__ = error
        chain.append(error)
    return chain[0]


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("*.txt")), ids=lambda path: path.stem)
def test_the_line_that_tells_most_is_the_reason(path: Path) -> None:
    expected, _, text = path.read_text(encoding="utf-8").partition("\n")
    told = of_log(text) if path.name.startswith("log_") else of_exception(captured(text))
    assert f"=== {'oom' if told.out_of_memory else 'failed'}: {told.text}" == expected


def raised(error: BaseException, *, cause: BaseException | None = None, context: BaseException | None = None) -> str:
    error.__context__ = context
    if cause:
        error.__cause__ = cause
    return of_exception(error).text


def test_what_an_exception_was_raised_from_is_told_with_it() -> None:
    missing = OSError("libfoo.so.1 is damaged")
    assert raised(RuntimeError("initialisation failed"), cause=missing) == (
        "RuntimeError: initialisation failed (from OSError: libfoo.so.1 is damaged)"
    )
    assert raised(RuntimeError("initialisation failed"), context=missing) == (
        "RuntimeError: initialisation failed (after OSError: libfoo.so.1 is damaged)"
    )
    assert raised(RuntimeError(""), cause=missing) == "OSError: libfoo.so.1 is damaged"
    assert raised(RuntimeError("OSError: libfoo.so.1 is damaged"), cause=missing) == (
        "RuntimeError: OSError: libfoo.so.1 is damaged"
    )
    hidden = RuntimeError("initialisation failed")
    hidden.__context__, hidden.__suppress_context__ = missing, True
    assert of_exception(hidden).text == "RuntimeError: initialisation failed"


def test_a_lookup_that_missed_is_no_cause() -> None:
    """A cache is asked first, and everything that is then computed is raised "during handling of" its KeyError."""
    assert raised(ValueError("unknown mode foo"), context=KeyError("foo")) == "ValueError: unknown mode foo"


def test_the_deepest_cause_and_the_linkers_line_are_found_however_deep() -> None:
    deepest = OSError("g++: error\n/usr/bin/ld: cannot find -lgomp: No such file or directory")
    middle = RuntimeError("the extension cannot be built")
    middle.__cause__ = deepest
    assert raised(ValueError("no kernel"), cause=middle) == (
        "OSError: ld: cannot find -lgomp: No such file or directory"
    )


def test_a_group_tells_its_first_member_and_how_many_there_are() -> None:
    group = ExceptionGroup("two workers failed", [ValueError("x is 3"), KeyError("y")])
    assert of_exception(group).text == "ValueError: x is 3 (and 1 more)"
    out = ExceptionGroup("two workers failed", [ValueError("x is 3"), MemoryError()])
    assert of_exception(out).out_of_memory


def test_notes_are_searched_and_are_told_where_the_message_is_empty() -> None:
    error = RuntimeError("")
    error.add_note("while compiling the step")
    assert of_exception(error).text == "RuntimeError: while compiling the step"
    error.add_note("ptxas fatal   : Unresolved extern function 'f'")
    assert of_exception(error).text == "RuntimeError: ptxas fatal : Unresolved extern function 'f'"


def test_a_chain_that_leads_back_to_itself_ends() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert of_exception(one).text == "ValueError: one (from ValueError: other)"


class MuteError(Exception):
    """A framework's exception that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_an_exception_without_a_text_gives_its_type() -> None:
    assert of_exception(MuteError()).text == "MuteError"
    assert of_exception(AssertionError()).text == "AssertionError"


def test_a_long_text_gives_a_short_reason() -> None:
    assert len(of_exception(RuntimeError("x" * 30_000_000)).text) == LONGEST
    assert len(raised(RuntimeError("x" * 3000), cause=OSError("y" * 3000))) <= LONGEST
    assert len(of_log("x" * 3_000_000).text) == LONGEST
    assert of_log(f"{'x ' * 9000}memory exhausted").out_of_memory


@pytest.mark.timeout(30)  # a pattern that takes the square of the length of a text took a minute
@pytest.mark.parametrize(
    "part",
    [
        "x",
        "/a",
        "a.",
        "{{function_node ",
        "terminate called after throwing an instance of '",
        "got f(",
        "a_",
        "x: ",
        "\t",
    ],
)
def test_an_endless_text_has_a_reason(part: str) -> None:
    text = part * (300_000 // len(part))
    assert len(of_exception(RuntimeError(text)).text) <= LONGEST
    assert len(of_log(text).text) <= LONGEST


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes.", True),
        ("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.11 GiB", True),
        ("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported", True),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("INTERNAL: Failed to allocate 8 bytes on device 0: CUDA_ERROR_OUT_OF_MEMORY", True),
        ("virtual memory exhausted: Cannot allocate memory", True),
        ("[Errno 12] Cannot allocate memory", True),
        ("libx.so: failed to map segment from shared object: Cannot allocate memory", True),
        ("terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc", True),
        ("LLVM ERROR: out of memory", True),
        ("Failed to allocate memory for requested buffer of size 68719476736", True),
        ("out of resource: shared memory, Required: 294912, Hardware limit: 232448", False),
        ("RESOURCE_EXHAUSTED: Shared memory size limit exceeded: requested 270336, available: 232448", False),
        ("RESOURCE_EXHAUSTED: /tmp/x; No space left on device", False),
        ("libgomp.so.1: cannot allocate memory in static TLS block", False),
        ("[Errno 28] No space left on device", False),
        ("can't start new thread", False),
        ("g++: fatal error: Killed signal terminated program cc1plus", False),  # by whom, the kernel's count tells
        ("ended by SIGKILL", False),
    ],
)
def test_a_lack_of_memory_is_told_from_what_sounds_like_it(text: str, expected: bool) -> None:
    assert of_exception(RuntimeError(text)).out_of_memory is expected
    assert of_log(text).out_of_memory is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('x.cu(12): error: identifier "y" is undefined', 'x.cu(12): error: identifier "y" is undefined'),
        ("nvcc fatal   : Unsupported gpu architecture 'compute_1'", "nvcc fatal : Unsupported gpu architecture"),
        ("ld.lld: error: unable to find library -lgomp\nclang: error: linker command failed", "unable to find library"),
        ("a.cpp:3:1: warning: x\nlong/path/a.cpp:4:2: error: y was not declared\na.cpp:5:1: error: z", "y was not"),
        ("ImportError: /x/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by y.so)", "GLIBCXX_3.4.32"),
        ("ERROR: Could not find a version that satisfies the requirement torch==9\nERROR: No matching", "torch==9"),
    ],
)
def test_compilers_and_loaders_are_understood_in_a_log(text: str, expected: str) -> None:
    assert expected in of_log(f"starting\n{text}\n").text


def test_of_a_log_the_last_traceback_counts_and_not_an_earlier_warning() -> None:
    log = (
        "W0000 could not open libcuda: error: no such file\n"
        "Traceback (most recent call last):\n"
        '  File "a.py", line 3, in f\n'
        "    g()\n"
        "    ^^^\n"
        "torch._C.Wrong: shapes differ\n"
        "and more\n"
    )
    assert of_log(log).text == "Wrong: shapes differ"
    assert of_log("").text == ""
    assert of_log("one\nlast words\n\n").text == "last words"


def test_a_killed_compiler_is_told_from_one_that_failed() -> None:
    assert tells_of_killed_child("x\ng++: fatal error: Killed signal terminated program cc1plus\n")
    assert tells_of_killed_child("Command '['g++']' died with <Signals.SIGKILL: 9>.")
    assert not tells_of_killed_child("g++: fatal error: no input files")
