"""What a replicate leaves: a frozen, typed, versioned record. Standard library only."""
