"""`python -m bench cells | turn | repeat | trained | reference | data | worker …`: what the harness asks for."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn


def cells() -> None:
    """Print the catalogue as one line of JSON."""
    from bench.catalogue import catalogue
    from bench.records import codec

    print(codec.to_json(catalogue()))


def turn(folder: Path) -> NoReturn:
    """Run the turn in `folder` in this process and end it; the timed tracks run under pytest-benchmark."""
    from bench.catalogue import TIMED
    from bench.protocol import repeats
    from bench.records import codec
    from bench.turns import loaded, turn
    from bench.turns.environment import process_age_ns
    from bench.turns.prepare import PhaseFile, end_with_parent, prepare

    end_with_parent()
    inherited = dict(os.environ)
    job = turn.turn_from_json((folder / turn.TURN_FILE).read_text(encoding="utf-8"))
    prepare(job)
    if job.cell.track in TIMED:
        import pytest

        from bench.turns.main_thread import beside

        here = Path(__file__).parent
        options = ["-c", str(here / "pytest.ini"), "--rootdir", str(here), "--turn", str(folder)]
        beside(lambda: pytest.main([*options, str(here / "test_step.py")]))
        loaded.require_unchanged(job, folder)
        repeats.promise(job, folder)
    else:
        from bench.tracks import cold, drift_probe, energy, export, idiomatic, limits, memory, stream

        runs = {
            "idiomatic": idiomatic.run,
            "export": export.run,
            "limits": limits.run,
            "sentinel": drift_probe.run,
            "memory": memory.run,
            "energy": energy.run,
            "cold": cold.run,
            "stream": stream.run,
        }
        run = runs[job.cell.track]
        result = run(job, PhaseFile(folder / turn.PHASE_FILE), process_age_ns())
        (folder / turn.RECORD_FILE).write_text(codec.to_json(result) + "\n", encoding="utf-8")
        loaded.require_unchanged(job, folder)
    leave(folder, inherited)


def repeat(folder: Path) -> NoReturn:
    """Run the next repeat of the turn in `folder` in this process and end it."""
    from bench.protocol import repeats
    from bench.turns.prepare import end_with_parent

    end_with_parent()
    inherited = dict(os.environ)
    repeats.keep_next(folder)
    leave(folder, inherited)


def leave(folder: Path, environment: Mapping[str, str]) -> NoReturn:
    """End this process, or become the next repeat of the turn, with the variables that this one began with."""
    from bench.protocol import repeats

    if group := sys.modules.get("bench.parallel.group"):  # imported where the cell has ranks, and NumPy with it
        group.end_all()
    sys.stdout.flush()
    sys.stderr.flush()
    if repeats.is_pending(folder):
        # Another program in the same process: the launcher still watches it, and the memory of the framework is free.
        os.execve(sys.executable, [sys.executable, "-m", "bench", "repeat", str(folder)], environment)
    # The record is written. Unloading a framework takes up to a second and may crash: it is not part of the result.
    os._exit(0)


def main(argv: list[str]) -> int:
    """Dispatch; return the exit code."""
    match argv:
        case ["cells"]:
            cells()
        case ["turn", folder]:
            turn(Path(folder))
        case ["repeat", folder]:
            repeat(Path(folder))
        case ["trained", folder, workload, size, *batches]:
            from bench.reference import train

            return train.main([folder, workload, size, *batches])
        case ["reference", *rest]:
            from bench.reference import known

            return known.main(rest)
        case ["data", folder, size, *formats]:
            from bench.data import make

            return make.main([folder, size, *formats])
        case ["worker", *rest]:
            from bench.turns import worker

            return worker.main(rest)
        case _:
            print(
                "usage: python -m bench cells | turn FOLDER | repeat FOLDER | trained FOLDER … |"
                " reference FOLDER … | data FOLDER SIZE FORMAT… | worker ADDRESS",
                file=sys.stderr,
            )
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
