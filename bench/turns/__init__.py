"""One process for one replicate: how it is prepared, started, watched and ended; also the worker in a container. Standard library only."""
