"""From a request to a plan: which cells, how many blocks, in which order."""
