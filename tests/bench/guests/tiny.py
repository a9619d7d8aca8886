"""A guest of the standard library that doubles numbers: python tiny.py FAULT DESCRIPTOR. FAULT plants one, or is none.

It imports nothing of bench, as a guest in an old interpreter could not.
"""

import array
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

answers = os.fdopen(int(sys.argv[2]), "w")
numbers = array.array("f")


def answer(word: str, body: Any) -> None:
    say(json.dumps({word: body}) + "\n")


def say(text: str) -> None:
    answers.write(text)
    answers.flush()


Asked = tuple[int, int]  # calls, rounds


def run(asked: Asked) -> None:
    answer("ran", [ran(asked[0]) for _ in range(asked[1])])


def ran(calls: int) -> dict[str, int]:
    begin, used = time.perf_counter_ns(), time.process_time_ns()
    for _ in range(calls):
        doubled = [2 * number for number in numbers]
    end = time.perf_counter_ns()
    numbers[:] = array.array("f", doubled)
    return {"begin_ns": begin, "end_ns": end, "cpu_ns": time.process_time_ns() - used}


def die(words: str) -> None:
    sys.stderr.write(words)
    sys.stderr.flush()


def killed(asked: Asked) -> None:
    die("terminate called after throwing an instance of 'std::bad_alloc'\n")
    die("----- Native stack trace -----\n\n 1: 0xe1 node::Abort() [node]\n    at serve (serve.mjs:43:35)\n")
    os.kill(os.getpid(), signal.SIGABRT)


def exits(asked: Asked) -> None:
    die("no such kernel\nin all of the library")
    os._exit(3)


def closes(asked: Asked) -> None:
    answers.close()
    time.sleep(60)


def prints(asked: Asked) -> None:
    for _ in range(2000):
        print("x" * 1000)
    run(asked)


FAULTS: dict[str, Callable[[Asked], object]] = {
    "none": run,
    "killed": killed,
    "exits": exits,
    "nonsense": lambda asked: say("42 is the answer\n"),
    "too few": lambda asked: answer("ran", []),
    "wrong word": lambda asked: answer("danced", None),
    "no times": lambda asked: answer("ran", [{"begin_ns": 1, "end_ns": 2.5, "cpu_ns": 1}]),
    "endless": lambda asked: say("9" * 10000),
    "closes": closes,
    "hangs": lambda asked: time.sleep(60),
    "prints": prints,
}

if sys.argv[1] not in FAULTS:
    answer("failed", "there is no library")
    sys.exit(1)
answer("started", {"versions": ["tiny==1"]})
for line in sys.stdin:
    ((order, body),) = json.loads(line).items()
    if order == "build":
        numbers.extend(body["numbers"])
        answer("built", {"count": len(numbers)})
    elif order == "run":
        FAULTS[sys.argv[1]](body)
    elif order == "output":
        Path(body).write_bytes(numbers.tobytes())
        answer("output", {"dtype": "float32", "shape": [len(numbers)]})
    else:
        answer("failed", f"KeyError: {order}")
