"""Measurements of the suite itself, against the figures that it has to keep: repeated runs, no unit tests."""
