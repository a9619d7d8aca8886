"""What the exhibit could not have: tried in November 2026 on Debian 12, with the packages of PyPI, npm and Debian."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class NotHad:
    """A framework that cannot be installed, or is too heavy to be measured beside the others."""

    name: str
    title: str
    era: int  # the year in which it appeared
    why: str  # one sentence without its full stop
    tried: str


NOT_HAD: Final = (
    NotHad(
        name="torch7",
        title="Torch7 (Lua)",
        era=2011,
        why="no package of it is left: Debian has LuaJIT and no torch, and the rocks are on a server of their own",
        tried="npm's torch (a logger), PyPI's lutorpy (which wants an installed Torch)",
    ),
    NotHad(
        name="caffe",
        title="Caffe",
        era=2013,
        why="PyPI's caffe is a placeholder, and Debian dropped caffe-cpu before Debian 12",
        tried="caffe-ssd, whose binary wants libcaffe, Boost 1.71 and protobuf 17 beside it, and has none of them;"
        " its layers live on in Caffe2, which is here",
    ),
    NotHad(
        name="torch0",
        title="PyTorch 0.4",
        era=2017,
        why="PyPI has no wheel older than 1.0.0",
        tried="wheels for Python 2.7, 3.5, 3.6 and 3.7; the loop is the one of 1.0.0, which is here",
    ),
    NotHad(
        name="mindspore",
        title="MindSpore 2.10",
        era=2020,
        why="it trains the regression, but its environment takes 2.8 GB, the most of all",
        tried="installed and run: Adam's second form, 1.1 ms a step under ms.jit and 20.6 ms without on the machine of"
        " the exhibit",
    ),
    NotHad(
        name="jittor",
        title="Jittor 1.3",
        era=2020,
        why="it trains the regression, but it compiles its own core for five minutes when it is first imported",
        tried="installed and run, without its download of oneDNN: Adam's second form, 98 µs a step; the second step"
        " compiles for 24 s",
    ),
    NotHad(
        name="oneflow",
        title="OneFlow 0.9",
        era=2020,
        why="its wheel of 965 MB is built for CUDA and does not load without cuDNN",
        tried="import on the CPU: libcudnn_cnn_infer.so.8 is missing",
    ),
)
