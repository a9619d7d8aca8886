"""Two runs, or two selections of one, compared cell by cell."""
