"""`python -m bench cells | turn FOLDER | worker …`: what the harness asks of an environment."""

import os
import sys
from pathlib import Path
from typing import NoReturn


def cells() -> None:
    """Print the catalogue as one line of JSON."""
    from bench import record
    from bench.catalogue import catalogue

    print(record.to_json(catalogue()))


def turn(folder: Path) -> NoReturn:
    """Run the turn in `folder` in this process and end it."""
    from bench import record, turn
    from bench.catalogue import HELLO
    from bench.environment import process_age_ns
    from bench.process import PhaseFile, prepare

    job = turn.turn_from_json((folder / turn.TURN_FILE).read_text(encoding="utf-8"))
    prepare(job)
    if job.cell.mode == HELLO:
        from bench import idiomatic

        result = idiomatic.run(job, PhaseFile(folder / turn.PHASE_FILE), process_age_ns())
        (folder / turn.RECORD_FILE).write_text(record.to_json(result) + "\n", encoding="utf-8")
    else:
        import pytest

        here = Path(__file__).parent
        pytest.main(
            ["-c", str(here / "pytest.ini"), "--rootdir", str(here), "--turn", str(folder), str(here / "test_step.py")],
        )
    sys.stdout.flush()
    sys.stderr.flush()
    # The record is written. Frameworks take up to a second to unload, and some crash in it: nobody measures that.
    os._exit(0)


def main(argv: list[str]) -> int:
    """Dispatch; return the exit code."""
    match argv:
        case ["cells"]:
            cells()
        case ["turn", folder]:
            turn(Path(folder))
        case ["worker", *rest]:
            from bench import worker

            return worker.main(rest)
        case _:
            print("usage: python -m bench cells | turn FOLDER | worker ADDRESS", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
