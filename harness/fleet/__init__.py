"""One selection on many hosts, which a cluster's scheduler gives: submit, watch, collect. Nothing of ours stays there.

    RUN.toml ─→ request ─→ split ─→ folder ─→ scheduler ─→ on each host: task ─→ folder ─→ collect ─→ an ordinary run

The folder of a fleet's run, which all hosts see, is the only truth (`harness.fleet.folder`). The scheduler is asked for
what is missing there, and for why.
"""
