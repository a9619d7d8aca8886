"""`python -m harness`: the command line where it is mounted, not installed: the harness container of compose.yaml."""

import contextlib
import sys
from typing import Final

from harness.cli import main
from harness.errors import INTERRUPTED, OK, SOME_FAILED, SetupError
from harness.launchers import workers

RAN: Final = (OK, SOME_FAILED, INTERRUPTED)

try:
    main()
except SystemExit as end:
    # A run says goodbye to the workers. Whatever else was asked for, they were started with us and wait for it.
    if sys.argv[1:2] != ["run"] or end.code not in RAN:
        with contextlib.suppress(SetupError):
            workers.dismiss()
    raise
