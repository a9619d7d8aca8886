"""The pair of published versions between which a difference appears: `samestep bisect`."""
