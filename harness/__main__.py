"""`python -m harness`: the command line where it is mounted, not installed, as in the harness container."""

from harness.cli import main

main()
