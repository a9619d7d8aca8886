"""Which replicates count, and with which warning."""
