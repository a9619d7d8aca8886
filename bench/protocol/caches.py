"""What a first step found in the compile caches, derived from what it did, never from "the folder is not empty"."""

import dataclasses

from bench.records.record import CompileCache, ModeProof


@dataclasses.dataclass(frozen=True, slots=True)
class CacheUse:
    """What the caches did in a first step."""

    compile_cache: CompileCache
    hits: int | None  # None: the framework does not count them
    misses: int | None
    entries: int  # files that it added


def cache_use(proof: ModeProof, before: int, after: int) -> CacheUse:
    """Return what a first step found: `proof` was taken after it, `before` and `after` are the entries around it.

    Hits alone are warm; misses, or new files without a hit, are cold. A mode that counts neither hits nor misses keeps
    no compile cache: what files it adds are something else, such as a list of fonts.
    """
    hits, misses, added = proof.cache_hits, proof.cache_misses, max(0, after - before)
    return CacheUse(_class(hits, misses, added), hits, misses, added)


def _class(hits: int | None, misses: int | None, added: int) -> CompileCache:
    if hits is None and misses is None:
        return "none"
    if hits:
        return "partly warm" if misses else "warm"
    return "cold" if misses or added else "none"
