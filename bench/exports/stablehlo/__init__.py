"""StableHLO: a function that `jax.export` has lowered and serialised."""
