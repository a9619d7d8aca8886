"""How a first step used the compile caches: from its hits, misses and new files, not from "the folder is not empty"."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Final

from bench.protocol.required import InvalidResultError
from bench.records.record import CompileCache, ModeProof

# A library's own kernels, compiled by CUDA's driver, come in modules of megabytes that take seconds. Less is some small
# kernel that a library always brings as source, as XLA does for its tuning, and takes milliseconds.
COMPILED_BYTES: Final = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CacheUse:
    """What the compile caches did in a first step."""

    compile_cache: CompileCache
    hits: int | None  # None: the framework does not count them
    misses: int | None
    entries: int  # files that it added


def cache_use(proof: ModeProof, *, before: int, after: int) -> CacheUse:
    """Return how a first step used the caches: `proof` was taken after it, `before` and `after` count its files.

    Hits alone are warm. Misses, or new files without a hit, are cold. A mode that counts neither hits nor misses has
    no compile cache: the files that it adds are of another kind, such as a list of fonts.
    """
    hits, misses, added = proof.cache_hits, proof.cache_misses, max(0, after - before)
    return CacheUse(compile_cache=_class(hits, misses, added), hits=hits, misses=misses, entries=added)


def kernel_bytes(folder: str) -> int:
    """Return the bytes of the kernels that CUDA's driver keeps in `folder`, without its index; no folder: 0."""
    total = 0
    for path in Path(folder).glob("*/**/*") if folder else ():
        with contextlib.suppress(OSError):  # another process may be writing
            total += path.stat().st_size if path.is_file() else 0
    return total


def require_installed(before: int, after: int) -> None:
    """Raise InvalidResultError where the driver has compiled a library's own kernels in this replicate.

    That is a cost of an installation, paid once on a machine, and no other replicate of the run pays it (decision 30).

    Args:
        before: bytes of the driver's kernels when the replicate began.
        after: the same after its first steps.
    """
    if after - before >= COMPILED_BYTES:
        raise InvalidResultError(
            f"the driver compiled {(after - before) / (1 << 20):.0f} MiB of the library's own kernels for this GPU, a"
            " cost of its installation; they are kept, and a second attempt finds them"
        )


def _class(hits: int | None, misses: int | None, added: int) -> CompileCache:
    if hits is None and misses is None:
        return "none"
    if hits:
        return "partly warm" if misses else "warm"
    return "cold" if misses or added else "none"
