"""What a package of AOTInductor says of itself."""

import io
import json
import re
import zipfile
from typing import Final

import torch

from bench.records.record import Export

CALLS: Final = re.compile(r"^ +(?:AOTI_TORCH_ERROR_CODE_CHECK\(aoti_torch_(\w+)|(cpp_fused_\w+))\(", re.MULTILINE)
HOUSEKEEPING: Final = re.compile(r"^(?:get|delete|new|empty|create|clone|assign|check|delete|item|dtype)_|^empty")


def describe(model: bytes) -> Export:
    """Return what the package holds: the calls of its program in their order, fused kernels by Inductor's names.

    Raises:
        zipfile.BadZipFile: these are not the bytes of a package.
    """
    with zipfile.ZipFile(io.BytesIO(model)) as opened:
        wrapper, metadata = (
            next(opened.read(name).decode() for name in opened.namelist() if name.endswith(ending))
            for ending in (".wrapper.cpp", ".wrapper_metadata.json")
        )
    about = json.loads(metadata)
    calls = (operator or kernel for operator, kernel in CALLS.findall(wrapper))
    return Export(
        format="aotinductor",
        operators=tuple(call for call in calls if not HOUSEKEEPING.search(call)),
        producer=f"AOTInductor {torch.__version__} for {about.get('AOTI_CPU_ISA') or about.get('AOTI_DEVICE_KEY', '')}",
    )
