"""Frameworks that only the self-test runs: it lays them beside the others in a copy of the code."""
