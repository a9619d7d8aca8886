"""."""
from typing import Final
from tests.faults.surroundings.case import Case
CASES: Final[list[Case]] = []
