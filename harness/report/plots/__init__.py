"""The plots of a report, a file each."""
