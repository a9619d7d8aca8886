"""The guest's end of the protocol of `bench.guests` for frameworks of the past, from Python 2.7 on; no import of ours.

    PYTHON serve.py PROGRAM DESCRIPTOR

PROGRAM is a file beside this one. It imports its framework and has `versions()`, a list of "name==version", and
`build(order)`. That returns an object with

    step()        one update; returns the loss of before it, which is computed then
    reset()       back to the initial parameters and a fresh optimiser
    parameters()  arrays of float32 by name, read back
    proof()       what the framework says that it did, fields of `ModeProof`

An order has x, y and the initial parameters as arrays, the rest as it was sent. What a program returns as a loss is
converted after the round.
"""

from __future__ import print_function

import gc
import json
import os
import resource
import sys
import time

FOLDER = sys.path.pop(0)  # of the programs: one that is called theano.py must not be imported as that library


def _of_c():
    """Return a clock of Python 2.7, which has none that is monotonic: that of the C library."""
    import ctypes

    class Timespec(ctypes.Structure):
        _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))

    library, spec = ctypes.CDLL(None), Timespec()

    def clock():
        library.clock_gettime(1, ctypes.byref(spec))  # CLOCK_MONOTONIC
        return spec.seconds * 1000000000 + spec.nanoseconds

    return clock


def _monotonic():
    """Return CLOCK_MONOTONIC in ns, which all processes of a host share, as this Python has it."""
    if hasattr(time, "monotonic_ns"):
        return time.monotonic_ns
    if hasattr(time, "clock_gettime"):
        return lambda: int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1e9)
    return _of_c()


now_ns = _monotonic()


def cpu_ns():
    """Return the processor time of this process, of all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int((used.ru_utime + used.ru_stime) * 1e9)


def load(name):
    """Return the module of a program; it is not called by its file's name, which its library may have."""
    path, name = os.path.join(FOLDER, name + ".py"), "guest_" + os.path.basename(name)
    try:
        from importlib.machinery import SourceFileLoader
    except ImportError:
        import imp

        return imp.load_source(name, path)
    return SourceFileLoader(name, path).load_module()


def write(path, arrays):
    """Write arrays as float32, little-endian, in C order, one after the other."""
    with open(path, "wb") as file:
        for array in arrays:
            file.write(array.astype("<f4").tobytes())


class Server(object):
    """Answers the orders that are about what was built."""

    def __init__(self, program):
        import numpy

        self.numpy = numpy
        self.program = program
        self.built = None
        self.losses = []

    def build(self, order):
        """Read the arrays and let the program build."""
        read = lambda path, shape: self.numpy.fromfile(str(path), "<f4").reshape(shape)
        arrays = {name: read(*each) for name, each in order["parameters"].items()}
        x, y = read(*order["x"]), read(*order["y"])
        self.built = self.program.build(dict(order, x=x, y=y, parameters=arrays))
        return "built", None

    def run(self, asked):
        """Make rounds, as many as are asked for, of so many calls; keep what those of the last return."""
        calls, rounds = asked
        return "ran", [self.round(calls) for _ in range(rounds)]

    def round(self, calls):
        """Make a round of so many calls; keep what they return."""
        step, kept = self.built.step, []
        used, begin = cpu_ns(), now_ns()
        for _ in range(calls):
            kept.append(step())
        end = now_ns()
        self.losses = kept
        return {"begin_ns": begin, "end_ns": end, "cpu_ns": cpu_ns() - used}

    def output(self, path):
        """Write the losses of the last round."""
        losses = self.numpy.array([self.numpy.ravel(loss)[0] for loss in self.losses])
        write(path, [losses])
        return "output", {"dtype": "float32", "shape": [len(losses)]}

    def parameters(self, path):
        """Write the parameters as they are now, in the order of their names."""
        arrays = {name: self.numpy.asarray(array) for name, array in self.built.parameters().items()}
        names = sorted(arrays)
        write(path, [arrays[name] for name in names])
        told = [[name, list(arrays[name].shape), str(arrays[name].dtype)] for name in names]
        return "parameters", told

    def reset(self, _):
        """Begin anew."""
        self.built.reset()
        return "reset", None

    def rest(self, _):
        """Collect garbage."""
        gc.collect()
        return "rested", None

    def proof(self, _):
        """Tell what the framework says."""
        return "proof", self.built.proof()

    def release(self, _):
        """Drop what was built."""
        self.built, self.losses = None, []
        gc.collect()
        return "released", None


def serve(name, descriptor):
    """Answer orders until there are no more."""
    answers = os.fdopen(descriptor, "w")

    def answer(word, body):
        answers.write(json.dumps({word: body}) + "\n")
        answers.flush()

    def failed(error):
        answer("failed", type(error).__name__ + ": " + str(error).split("\n")[0])

    try:
        program = load(name)
        server = Server(program)
        answer("started", {"versions": list(program.versions()) + ["python==" + sys.version.split()[0]]})
    except Exception as error:
        failed(error)
        raise
    for line in iter(sys.stdin.readline, ""):
        ((word, body),) = json.loads(line).items()
        try:
            answer(*getattr(server, word)(body))
        except Exception as error:  # noqa: BLE001  (a framework may raise anything, and the host is told)
            failed(error)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
