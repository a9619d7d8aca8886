"""Errors of the system as one sentence each: what is wrong and the remedy. All else is a fault of samestep."""

import contextlib
import errno
import os
import re
import resource
import shlex
import shutil
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Final

WHOLE: Final = "SAMESTEP_TRACEBACK"  # set to 1, an error is printed with its traceback as well
BASE_MIB, PER_CPU_MIB = 512, 128  # address space of the command itself; measured on two processors: 390 in all
LONGEST_WORD: Final = 4200  # characters; a path has at most 4096 bytes
LONGEST: Final = 300  # characters of another's message
ROOT: Final = Path(__file__).resolve().parents[2]

_SPACE: Final = "free some space"
_PLACE: Final = "choose another folder, or change its owner or its permissions"
_TYPE: Final = "choose another folder: a file is in the way"
_PROCESSES: Final = "end other programs, or raise the limit of processes (ulimit -u, or the container's)"
_MEMORY: Final = "end other programs, or raise the limit of memory (ulimit -v, or the container's)"
REMEDIES: Final[Mapping[int, str]] = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: "raise the limit of a file's size (ulimit -f)",
    errno.EACCES: _PLACE,
    errno.EPERM: _PLACE,
    errno.EROFS: "choose another folder: this file system is read-only",
    errno.ENOTDIR: _TYPE,
    errno.EISDIR: _TYPE,
    errno.EEXIST: _TYPE,
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "choose a path without circular links",
    errno.EAGAIN: _PROCESSES,
    errno.ENOMEM: _MEMORY,
    errno.ENFILE: "end other programs: the system has too many open files",
    errno.EIO: "look at the disk: it reports an error",
    errno.ESTALE: "mount the network file system again",
}


def too_little_memory() -> str:
    """Return that the limit of the address space is too low, which is found out before NumPy's libraries hang in it.

    Their BLAS takes its buffers for each processor when it is loaded, and what it does without them is up to it.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    needed = BASE_MIB + PER_CPU_MIB * len(os.sched_getaffinity(0))
    if limit == resource.RLIM_INFINITY or limit >> 20 >= needed:
        return ""
    return f"the limit of memory is {limit >> 20} MiB, and samestep needs {needed} MiB: raise it (ulimit -v)"


def explained(error: BaseException) -> str:
    """Return an error of the system as what is wrong and the remedy; empty: it is none of the system."""
    if isinstance(error, OSError) and (first := first_of(error)).errno is not None:
        return _of_system(first)
    text = _first_line(error)
    if isinstance(error, MemoryError):
        return f"memory is used up: {_MEMORY}"
    if isinstance(error, RecursionError):
        return "its input is nested too deeply to be read: look at the files that it was given"
    if isinstance(error, RuntimeError) and "start new thread" in text:
        return f"no further thread can be started: {_PROCESSES}"
    if isinstance(error, RuntimeError) and "home directory" in text:
        return "there is no home folder: set HOME to one"
    if isinstance(error, ImportError):
        return _of_import(error)
    if isinstance(error, UnicodeError):
        return f"a text cannot be read or written ({text}): use UTF-8 (LC_ALL=C.UTF-8)"
    if isinstance(error, ValueError) and "null byte" in text:
        return "a path has a NUL character: choose another name"
    return ""


def first_of(error: OSError) -> OSError:
    """Return the first of the hundreds of errors that `shutil.copytree` raises as one; any other as it is."""
    if not isinstance(error, shutil.Error) or not isinstance(error.args[0], list):
        return error
    said = re.match(r"\[Errno (\d+)\] ([^:]*)(?:: '(.*?)')?", str(error.args[0][0][-1]))
    return OSError(int(said[1]), said[2], said[3]) if said else error


def remedy(error: OSError) -> str:
    """Return what helps against an error of the system."""
    if error.errno == errno.EMFILE:
        return f"raise the limit of open files, which is {resource.getrlimit(resource.RLIMIT_NOFILE)[0]} (ulimit -n)"
    if error.errno == errno.ENOENT and not _has_working_folder():
        return "the working folder is gone: cd to one that exists"
    return REMEDIES.get(error.errno or 0, "")


def sentence(error: BaseException) -> str:
    """Return any error as one sentence: of the system, or else a fault of samestep with the place of its traceback."""
    said = explained(error)
    return said or f"{_fault(error)}. {_kept(error)}"


def brief(error: BaseException) -> str:
    """Return any error in a few words, for a text that goes on."""
    return explained(error) or f"{type(error).__name__}: {_first_line(error) or 'no message'}"


def _of_system(error: OSError) -> str:
    what = str(error.strerror or os.strerror(error.errno or 0)).strip()
    if "temporary directory" in what:
        return "no folder for temporary files can be written: set TMPDIR to one"
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return f"{where}{what}: {remedy(error) or f'{WHOLE}=1 shows where it happened'}"


def _of_import(error: ImportError) -> str:
    first: BaseException = error
    while first.__cause__ is not None or first.__context__ is not None:
        first = first.__cause__ or first.__context__ or first
    text = _first_line(first)
    if isinstance(first, MemoryError) or any(words in text for words in ("failed to map", "allocate memory")):
        return f"memory is used up ({text}): {_MEMORY}"
    if isinstance(first, OSError):
        return explained(first)
    return f"a library of samestep cannot be loaded ({text}): `make setup` installs it again"


def _fault(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(ROOT)]
    places = [f" at {Path(frame.filename).relative_to(ROOT)}:{frame.lineno}" for frame in ours[-1:]]
    return f"a fault of samestep, {type(error).__name__}{''.join(places)}: {_first_line(error) or 'no message'}"


def _kept(error: BaseException) -> str:
    """Keep the traceback in a file; return where it is, or how to see it."""
    with contextlib.suppress(OSError):
        descriptor, path = tempfile.mkstemp(prefix="samestep-", suffix=".traceback", text=True)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(traceback.format_exception(error))
        return f"Its traceback is in {shlex.quote(path)}"
    return f"{WHOLE}=1 prints its traceback"


def _first_line(error: BaseException) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _has_working_folder() -> bool:
    try:
        return bool(Path.cwd())
    except OSError:
        return False


def bounded(message: str) -> str:
    """Return `message`; of a word that is longer than any path, as a name that was typed may be, only the beginning."""
    return re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: f"{word[0][:80]}…", message)
