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
    # A run ends the workers itself. After any other command they are idle: compose has started them with this harness.
    if sys.argv[1:2] != ["run"] or end.code not in RAN:
        with contextlib.suppress(SetupError):
            workers.dismiss()
    raise
