"""What the leader and a follower say to each other: lines of JSON, each one word with its body. Stdlib only.

    leader → follower   {"begin": {"turn": Turn, "rank": 1}}   import the strategies and start the device
    follower → leader   {"started": null}
    leader → follower   {"build": ADDRESS}       → {"built": null}, or {"skipped": REASON}
    leader → follower   {"run": CALLS}           → {"ran": null}          the calls of a round, and the wait for them
    leader → follower   {"losses": null}         → {"losses": […]}        of the last round
    leader → follower   {"reset": null}          → {"reset": null}
    leader → follower   {"parameters": null}     → {"parameters": SHA256}
    leader → follower   {"gradient": null}       → {"gradient": null}
    leader → follower   {"unsynchronised": CALLS} → {"unsynchronised": null}
    leader → follower   {"collectives": null}    → {"collectives": null}   they may make a step
    leader → follower   {"report": null}         → {"report": Report}

The orders come by standard input, the answers go to the descriptor that the last argument names. A follower that cannot
do what it is told answers {"failed": SENTENCE} and ends. It ends when its orders end, and with the leader.
"""

import json
from dataclasses import dataclass
from typing import Any

from bench.records.parallel import Rank
from bench.records.record import ModeProof


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a follower says of itself after the timed rounds."""

    rank: Rank
    proof: ModeProof


def line(word: str, body: Any = None) -> bytes:
    """Return one message."""
    return json.dumps({word: body}, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def read(text: bytes) -> tuple[str, Any]:
    """Return the word and the body of a message; raises ValueError."""
    message = json.loads(text)
    if not isinstance(message, dict) or len(message) != 1:
        raise ValueError("not one word with its body")
    ((word, body),) = message.items()
    return str(word), body
