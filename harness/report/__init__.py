"""The report: records of a run → statistics → tables, plots and one page.

    facts ─┐
           ├→ stats → rows, evidence → tables → view → console, markdown, page
    records┘             └──→ frame → plots ────────────────────────┘

What draws and lays out is imported when it is used: a command that prints no report does not wait for it.
"""
