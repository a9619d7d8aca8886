"""What runs in the environment of the peers: each tool used as its own documentation shows, on one pair of variants."""
