"""`python -m harness`: the same as the command `samestep`, where it is not installed (the harness's container)."""

from harness.cli import main

main()
