"""How large the packages of this process's environment are, by the lists of files that they brought (RECORD)."""

import contextlib
import sysconfig
from collections.abc import Iterable
from pathlib import Path


def installed_bytes(folders: Iterable[str] | None = None) -> int | None:
    """Return the bytes of all files of the installed packages, without bytecode, which no list has the size of.

    Args:
        folders: that have packages; None: those of this interpreter.

    Returns:
        None where no package has a list.
    """
    paths = sysconfig.get_paths()
    sizes = []
    for folder in dict.fromkeys(folders if folders is not None else (paths["purelib"], paths["platlib"])):
        for listed in sorted(Path(folder).glob("*.dist-info/RECORD")):
            with contextlib.suppress(OSError), listed.open(encoding="utf-8", errors="replace") as lines:
                ends = (line.rstrip().rpartition(",")[2] for line in lines)  # name,hash,size; a name may have commas
                sizes.append(sum(int(size) for size in ends if size.isdecimal()))
    return sum(sizes) if sizes else None
