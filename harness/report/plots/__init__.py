"""The plots of a report, one module each."""
