"""Time a program of this folder, or count where a debugger stops in its loop; Python 3.7 on, without imports of ours.

    PYTHON run.py PROGRAM time|stop OUTPUT STEPS:X:W …

OUTPUT gets JSON: the versions, and an object for each of the loops that are named. Times are in ns.
"""

import bdb
import gc
import json
import os
import sys
import time
from importlib.machinery import SourceFileLoader

FOLDER = sys.path.pop(0)  # of the programs, none of which may be imported as a library
BODY = "# the body"
ROUND_NS = 10**6  # the least length of a round: most fit between two preemptions
FEWEST, MOST = 20, 200  # rounds of each of the two, in the order ABBA
ENOUGH_NS = 2 * 10**9  # after which there are no more than the fewest


def load(path):
    """Return the module of a program; it is not called by its file's name, which a library may have."""
    return SourceFileLoader("loop_" + os.path.basename(path)[: -len(".py")], path).load_module()


def numbers(value):
    """Return an array as a flat list of its numbers."""
    return [float(number) for number in value.reshape(-1)]


def round_of(call, calls):
    """Return how long so many calls take, and the processor time of this process, of all its threads."""
    used, begin = time.process_time_ns(), time.perf_counter_ns()
    for _ in range(calls):
        call()
    return time.perf_counter_ns() - begin, time.process_time_ns() - used


def calls_of(call):
    """Return how many calls make a round; they are made, so what compiles late has compiled."""
    calls = 1
    while round_of(call, calls)[0] < ROUND_NS:
        calls *= 2
    return calls


def timed(program, steps, x, w):
    """Return the first and the later values of both functions, the time of their first calls, and of their rounds."""
    built, told = {}, {"steps": steps, "x": x, "w": w}
    for name in ("every", "last"):
        begin = time.perf_counter_ns()
        built[name] = getattr(program, name)(steps, x, w)
        values = [numbers(built[name]())]
        told[name] = {"first_ns": time.perf_counter_ns() - begin, "values": values, "round_ns": [], "cpu_ns": []}
        told[name]["calls"] = calls_of(built[name])
    gc.collect()
    begin = time.perf_counter_ns()
    for number in range(MOST):
        if number >= FEWEST and time.perf_counter_ns() - begin > ENOUGH_NS:
            break
        for name in ("every", "last") if number % 2 else ("last", "every"):
            wall_ns, cpu_ns = round_of(built[name], told[name]["calls"])
            told[name]["round_ns"].append(wall_ns)
            told[name]["cpu_ns"].append(cpu_ns)
    for name in ("every", "last"):
        told[name]["values"].append(numbers(built[name]()))
    return told


class Stops(bdb.Bdb):
    """A debugger with a breakpoint at one line, which goes on at once and counts."""

    def __init__(self, path, line):
        bdb.Bdb.__init__(self)
        self.path, self.line, self.count = self.canonic(path), line, 0
        assert not self.set_break(path, line)

    def user_line(self, frame):
        """Count a stop at the breakpoint; another is the debugger's own at the first line."""
        if self.canonic(frame.f_code.co_filename) == self.path and frame.f_lineno == self.line:
            self.count += 1
        self.set_continue()

    def of(self, call):
        """Return what `call` returns, and how often it stopped here."""
        self.count = 0
        value = self.runcall(call)
        return value, self.count


def body_line(path):
    """Return the number of the line that has the mark."""
    with open(path, encoding="utf-8") as file:
        (line,) = [number for number, text in enumerate(file, start=1) if text.rstrip().endswith(BODY)]
    return line


def stopped(program, steps, x, w):
    """Return the stops in the loop's body while it is built and called, and in the calls after."""
    debugger = Stops(program.__file__, body_line(program.__file__))
    call, built = debugger.of(lambda: program.every(steps, x, w))
    first, first_stops = debugger.of(call)
    again, later = debugger.of(call)
    values = [numbers(first), numbers(again)]
    return {"steps": steps, "x": x, "w": w, "first": built + first_stops, "later": later, "values": values}


def version(path):
    """Return the version of a program's framework, whose name opens that of the file; TensorFlow 1's has a digit."""
    library = os.path.basename(path).partition("_")[0].rstrip("0123456789")
    return str(getattr(sys.modules.get(library), "__version__", ""))


def main(path, what, output, *loops):
    """Do it for each of the loops."""
    program, act = load(path), {"time": timed, "stop": stopped}[what]
    parts = [loop.split(":") for loop in loops]
    told = [act(program, int(steps), float(x), float(w)) for steps, x, w in parts]
    told = {"python": sys.version.split()[0], "version": version(path), "loops": told}
    with open(output, "w", encoding="utf-8") as file:
        json.dump(told, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
