"""The result of a replicate: a frozen, typed, versioned record, and its JSON. Standard library only."""
