"""Measurements of the suite itself, compared with its targets: repeated runs, not unit tests."""
