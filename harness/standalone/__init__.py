"""The suite's step compared with the same step in a program without the suite."""
