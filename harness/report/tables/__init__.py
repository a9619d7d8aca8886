"""The tables of a report, a file each: its rows, its columns, its sentences."""
