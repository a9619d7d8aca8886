"""The suite's step beside the same step in a program without the suite."""
