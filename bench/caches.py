"""What a first step found in the compile caches, derived from what it did, never from "the folder is not empty"."""

import dataclasses
from pathlib import Path

from bench.record import CompileCache, ModeProof


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What the caches did in a first step."""

    compile_cache: CompileCache
    hits: int | None  # None: the framework does not count them
    misses: int | None
    entries: int  # files that it added


def entries(folder: Path) -> int:
    """Return how many files lie under the scratch folder, where every compile cache is told to be."""
    return sum(1 for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0


def finding(proof: ModeProof, before: int, after: int) -> Finding:
    """Return what a first step found: `proof` was taken after it, `before` and `after` are the entries around it.

    Counters come first: hits alone are warm, misses alone are cold. Where a framework counts neither, new files say
    that something was compiled and kept; none beside those that were there, that all of it was found.
    """
    hits, misses, added = proof.cache_hits, proof.cache_misses, max(0, after - before)
    return Finding(_class(hits or 0, misses or 0, added, before), hits, misses, added)


def _class(hits: int, misses: int, added: int, before: int) -> CompileCache:
    if hits:
        return "partly warm" if misses else "warm"
    if misses or added:
        return "cold"
    return "warm" if before else "none"
