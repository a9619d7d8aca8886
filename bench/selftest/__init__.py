"""Frameworks that only the self-test runs: it copies them next to the others in a copy of the code."""
