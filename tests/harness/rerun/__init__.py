"""Tests of a fleet's parts, without a cluster."""
