"""From what was typed to a plan: which cells, how many blocks, in which order."""
