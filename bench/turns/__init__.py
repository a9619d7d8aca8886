"""One process for one replicate: how it is prepared, started, watched and ended. Standard library only."""
