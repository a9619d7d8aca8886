"""How many measurements a bisection needs over twelve versions with one that is some 5 % slower, for real.

python -m tests.frameworks.measure_bisect [FIRST_SLOWER [OPTION...]]

It takes ten minutes on one core in the profile `default`. FIRST_SLOWER is a number from 1 to 11, 7 where it is left
out. The options are those of `samestep bisect`.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests import planted_library as planted

COUNT: Final = 12
MOST: Final = 5  # measurements that issue 24 allows


def main(words: Sequence[str]) -> int:
    """Plant, bisect, and return 0 where the pair is the planted one and no more measurements were made."""
    first = int(words[0]) if words else 7
    with tempfile.TemporaryDirectory(prefix="samestep-planted-") as name:
        wheels = Path(name) / "wheels"
        wheels.mkdir()
        for number in range(COUNT):
            planted.wheel(wheels, f"1.{number}", planted.SLOWER if number >= first else planted.PLAIN)
        os.environ.update(planted.variables(wheels))
        root = planted.checkout(Path(name) / "samestep", "1.0")
        begin = time.monotonic()
        command = ["bisect", "toy", "1.0", f"1.{COUNT - 1}", "--mode", "loop", "--launcher", "venv", *words[1:]]
        done = subprocess.run(
            [sys.executable, "-m", "harness", *command],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            check=False,
        )
        wall_s = time.monotonic() - begin
        (kept,) = (root / "results").glob("*/bisect.json")
        found = json.loads(kept.read_text(encoding="utf-8"))
    pair = (found["outcome"]["older"], found["outcome"]["newer"])
    count = len(found["measurements"])
    print(f"planted 1.{first - 1} → 1.{first}, found {' → '.join(pair)} in {count} measurements, {wall_s:.0f} s")
    return int(done.returncode != 0 or pair != (f"1.{first - 1}", f"1.{first}") or count > MOST)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
