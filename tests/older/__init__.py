"""Runs of older schemas, as they were measured, to test that they are still read: schema 1 and schema 4."""

from pathlib import Path
from typing import Final

OLDER: Final = Path(__file__).parent
