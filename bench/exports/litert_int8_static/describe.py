"""What a LiteRT file of whole numbers says of itself."""

import dataclasses

from bench.exports.litert import describe as litert
from bench.records.record import Export


def describe(model: bytes) -> Export:
    """Return what the file says, as of any LiteRT file.

    Raises:
        ValueError: these are not the bytes of a LiteRT file.
    """
    return dataclasses.replace(litert.describe(model), format="litert_int8_static")
