"""What the pages show of the published runs, made by `make pictures`: their pictures, and the list of the runs."""
