"""The report: records of a run → statistics → tables, plots and one page."""
