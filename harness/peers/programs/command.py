"""A variant as a whole command, for hyperfine: `python -m harness.peers.programs.command STEP INNER CALLS`."""

import sys

from harness.peers.programs.variant import callable_of


def main(step: str, inner: str, calls: str) -> None:
    """Call it so often; starting Python and the framework belongs to the command."""
    call = callable_of(step, int(inner))
    for _ in range(int(calls)):
        call()


if __name__ == "__main__":
    main(*sys.argv[1:])
