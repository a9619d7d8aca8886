"""How a first step used the compile caches: from its hits, misses and new files, not from "the folder is not empty"."""

import dataclasses

from bench.records.record import CompileCache, ModeProof


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


def _class(hits: int | None, misses: int | None, added: int) -> CompileCache:
    if hits is None and misses is None:
        return "none"
    if hits:
        return "partly warm" if misses else "warm"
    return "cold" if misses or added else "none"
