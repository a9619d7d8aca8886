"""A fault campaign: `python -m tests.faults` plants faults by thousands and says which of them samestep did not stand.

folders        mutated run folders, read by every command that reads runs
commands       mutated command lines of every command
kills          SIGKILL of a random process of a run at a random moment, and --resume
surroundings   short real runs where the shell, the disk, the terminal or the machine is not as usual

A fault is known by its kind and number; with the seed they say all of it: `--only folders/123` plants it again.
"""
