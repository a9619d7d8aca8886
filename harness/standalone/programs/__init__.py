"""Each mode once more as an outsider would write it, without the suite: what the suite's figures are held to."""
