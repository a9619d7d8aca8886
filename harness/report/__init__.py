"""The report: records of a run → statistics → tables, charts and one page.

    facts ─┐
           ├→ stats → rows, evidence → tables → view → console, markdown, page
    records┘             └──→ frame → charts ───────────────────────┘

Whatever draws or prints is imported only when a report is made, so that other commands start fast.
"""
