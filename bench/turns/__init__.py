"""One process for one replicate: prepared, started, watched, ended; also by a worker. Standard library only."""
