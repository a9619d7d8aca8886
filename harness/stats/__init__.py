"""The statistics. Pure: numbers in, numbers out; no files, no tables."""
