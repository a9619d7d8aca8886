"""StableHLO alone, as MLIR's portable bytecode: what `jax.export` writes, without the envelope that only JAX reads."""
