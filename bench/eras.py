"""Frameworks of the past that cannot be run here: what was tried, and why it ended. Standard library only."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A framework that the exhibit lacks."""

    title: str
    era: int  # the year in which it appeared to the public
    period: str  # one of `bench.catalogue.PERIODS`
    tried: str  # what was tried, as one sentence
    why: str  # why it ended, as one sentence


ABSENT: Final = (
    Absent(
        title="Torch7",
        era=2011,
        period="precursors",
        tried="Debian 12 has LuaJIT and many rocks; lutorpy on PyPI needs an installed Torch",
        why="no package index that was reachable has torch itself, and it was not built from source",
    ),
    Absent(
        title="Caffe 1",
        era=2013,
        period="precursors",
        tried="caffe on PyPI is a placeholder, caffe-ssd holds a library that was built for Python 3.8",
        why="that library needs libcaffe, Boost and protobuf of another system; Debian dropped caffe-cpu before 12",
    ),
    Absent(
        title="PyTorch 0.4",
        era=2018,
        period="pytorch",
        tried="PyPI, for CPython 2.7, 3.5, 3.6 and 3.7",
        why="there is no wheel older than 1.0.0, whose loop is the same",
    ),
    Absent(
        title="Jittor",
        era=2020,
        period="today",
        tried="1.3.11 on Python 3.11: it trains",
        why="its first import compiles 150 files, five minutes on one core, into the user's home",
    ),
    Absent(
        title="MindSpore",
        era=2020,
        period="today",
        tried="2.10 on Python 3.11: it trains",
        why="its environment takes 2.8 GB, most of which the regression does not use",
    ),
    Absent(
        title="OneFlow",
        era=2020,
        period="today",
        tried="0.9.0, a wheel of 965 MB",
        why="it is a build for CUDA that does not import without libcudnn",
    ),
)
