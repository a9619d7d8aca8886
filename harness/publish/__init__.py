"""`samestep publish`: a static site from any number of runs; it opens from the disk and loads nothing from elsewhere.

    samestep-site.json      says that the folder is ours: the number of the format, and what the user set
    data/RUN.js             a run in brief (`entry`): all that the other pages need of it; read by `compare.html`, too
    data/pages.json         what each page of a cell was made from
    runs/RUN/               the report of a run, with its records and tables to download
    cells/FRAMEWORK/MODE/…/ a cell over runs, versions and hosts: its permanent address
    index.html …            the lists of runs and cells, what is stale, how to cite, a comparison of any two runs

A run counts as published from the moment that its data file has its name. All other pages are made from the data files,
so whatever interrupts a publish, the next one makes them whole.
"""
