"""The statistics: pure functions on numbers and records; no files, no tables."""
